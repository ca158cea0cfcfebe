"""A stand-in for Slack on the loopback: checks what Slack documents, keeps what it got, fails on demand.

Never more lenient than Slack where Slack says what it wants; every payload it refuses is a violation.
Run it: ``python tests/slack_standin.py --port 8800 --print --faults 7 --state /tmp/slack.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

try:
    from tests.slack_rules import RefusedError, as_text, check_message, incident_of, read_body
except ModuleNotFoundError:  # run as a script
    from slack_rules import RefusedError, as_text, check_message, incident_of, read_body

Json = dict[str, Any]
FAULTS = ("429", "500", "503", "hang", "hang_after", "drop_before", "drop_after", "slow")
CHANNEL_NAMES = {"#alerts": "C0ALERTS", "alerts": "C0ALERTS"}
WEBHOOK_CHANNEL = "C0WEBHOOK"


class Slack:
    """A workspace with one bot. Thread-safe. ``scopes`` may lack channels:history."""

    def __init__(
        self,
        *,
        token: str = "xoxb-standin",  # noqa: S107
        scopes: tuple[str, ...] = ("chat:write", "channels:history"),
        rate_per_s: float = 0.0,
        burst: int = 3,
        faults: Iterator[str] | None = None,
        hang_s: float = 15.0,
        state: Path | None = None,
        show: bool = False,
    ) -> None:
        self.token, self.scopes, self.state, self.show = token, set(scopes), state, show
        self.violations: list[str] = []
        self.calls: list[tuple[str, Json]] = []
        self.script: deque[str] = deque()
        self._faults, self._hang_s = faults, hang_s
        self._rate_per_s, self._burst = rate_per_s, burst
        self._allowance: dict[str, tuple[float, float]] = {}
        self._messages: dict[str, Json] = {}
        self._last_ts = 0.0
        self._lock = threading.RLock()
        self.stopping = threading.Event()
        if state and state.exists():
            self._messages = json.loads(state.read_text())["messages"]

    # ---- what tests and the demo ask -------------------------------------------------------------

    def messages(self, *, threads: bool = False, incident: str = "") -> list[Json]:
        """Return the messages of the channel, oldest first; each with all its ``edits``."""
        with self._lock:
            found = [json.loads(json.dumps(one)) for one in self._messages.values() if not one.get("deleted")]
        found = [one for one in found if threads or "thread_ts" not in one]
        return [one for one in found if not incident or incident_of(one) == incident]

    def replies(self, ts: str) -> list[Json]:
        """Return the replies in a thread."""
        return [one for one in self.messages(threads=True) if one.get("thread_ts") == ts]

    def delete(self, ts: str) -> None:
        """Delete a message as a user would."""
        with self._lock:
            self._messages[ts]["deleted"] = True

    def close_edits(self, ts: str) -> None:
        """Let the edit window of a message pass."""
        with self._lock:
            self._messages[ts]["closed"] = True

    # ---- the API ---------------------------------------------------------------------------------

    def next_fault(self) -> str:
        """Return what goes wrong with this call; '' for nothing."""
        with self._lock:
            if self.script:
                return self.script.popleft()
            return next(self._faults, "") if self._faults else ""

    def call(self, method: str, body: Json) -> Json:
        """Answer one Web API call, already authorised."""
        known = {
            "auth.test": lambda _: {"ok": True, "user": "analyzerd", "team": "Stand-in", "bot_id": "B0"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
        }
        if method not in known:
            raise RefusedError("unknown_method", method)
        with self._lock:
            self.calls.append((method, body))
            return known[method](body)

    def authorise(self, header: str | None) -> None:
        """Refuse a call without our token."""
        if header != f"Bearer {self.token}":
            raise RefusedError("invalid_auth" if header else "not_authed")

    def limited(self, method: str, channel: str) -> bool:
        """Count one message against the channel's allowance; True when it is used up."""
        if not self._rate_per_s or method not in {"chat.postMessage", "webhook"}:
            return False
        with self._lock:
            now = time.monotonic()
            tokens, at = self._allowance.get(channel, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - at) * self._rate_per_s)
            allowed = tokens >= 1
            self._allowance[channel] = (tokens - 1 if allowed else tokens, now)
            return not allowed

    def webhook(self, body: Json) -> None:
        """Take an incoming webhook's message."""
        with self._lock:
            self.calls.append(("webhook", body))
            check_message(body)
            self._store(WEBHOOK_CHANNEL, body, None)

    def _post(self, body: Json) -> Json:
        self._need("chat:write")
        channel = self._channel(body)
        check_message(body)
        thread = body.get("thread_ts")
        if thread is not None and (thread not in self._messages or self._messages[thread].get("deleted")):
            raise RefusedError("thread_not_found", str(thread))
        stored = self._store(channel, body, thread)
        return {"ok": True, "channel": channel, "ts": stored["ts"], "message": {"text": body.get("text", "")}}

    def _update(self, body: Json) -> Json:
        self._need("chat:write")
        channel = self._channel(body, names=False)
        found = self._messages.get(str(body.get("ts", "")))
        if found is None or found.get("deleted") or found["channel"] != channel:
            raise RefusedError("message_not_found", str(body.get("ts")))
        if found.get("closed"):
            raise RefusedError("edit_window_closed")
        check_message(body)
        found["edits"].append({"at": time.time(), **_shown(body)})  # noqa: TID251
        found.update(_shown(body))
        self._keep()
        self._tell("EDIT", found)
        return {"ok": True, "channel": channel, "ts": found["ts"], "text": body.get("text", "")}

    def _history(self, body: Json) -> Json:
        self._need("channels:history")
        channel = self._channel(body, names=False)
        return self._page(body, [one for one in self.messages() if one["channel"] == channel][::-1])

    def _replies(self, body: Json) -> Json:
        self._need("channels:history")
        self._channel(body, names=False)
        parent = str(body.get("ts", ""))
        if parent not in self._messages:
            raise RefusedError("thread_not_found", parent)
        return self._page(
            body, [one for one in self.messages(threads=True) if parent in (one["ts"], one.get("thread_ts"))]
        )

    def _page(self, body: Json, found: list[Json]) -> Json:
        oldest, limit = float(body.get("oldest") or 0), int(body.get("limit") or 100)
        if not 1 <= limit <= 999:
            raise RefusedError("invalid_limit", str(limit))
        full = str(body.get("include_all_metadata", "")).lower() in {"1", "true"}
        found = [one for one in found if float(one["ts"]) > oldest]
        start = int(str(body.get("cursor") or "0"))
        shown = [{k: v for k, v in one.items() if k in _PUBLIC and (full or k != "metadata")} for one in found]
        more = start + limit < len(shown)
        cursor = {"next_cursor": str(start + limit) if more else ""}
        return {
            "ok": True,
            "messages": shown[start : start + limit],
            "has_more": more,
            "response_metadata": cursor,
        }

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise RefusedError("missing_scope", scope)

    def _channel(self, body: Json, *, names: bool = True) -> str:
        channel = str(body.get("channel", ""))
        if names:
            channel = CHANNEL_NAMES.get(channel, channel)
        if not re.fullmatch(r"[CGD][A-Z0-9]{4,}", channel):
            raise RefusedError("channel_not_found", channel)
        return channel

    def _store(self, channel: str, body: Json, thread: str | None) -> Json:
        now = max(time.time(), self._last_ts + 0.0001)  # noqa: TID251
        self._last_ts = now
        stored = {"type": "message", "channel": channel, "ts": f"{now:.6f}", **_shown(body), "edits": []}
        if thread:
            stored["thread_ts"] = thread
        self._messages[stored["ts"]] = stored
        self._keep()
        self._tell("REPLY" if thread else "POST", stored)
        return stored

    def _keep(self) -> None:
        if self.state:
            fresh = self.state.with_name(self.state.name + ".new")
            fresh.write_text(json.dumps({"messages": self._messages, "violations": self.violations}, indent=1))
            fresh.replace(self.state)

    def _tell(self, what: str, message: Json) -> None:
        if self.show:
            print(f"--- Slack {what} {message['channel']} {message['ts']}\n{as_text(message)}\n", flush=True)

    def violated(self, what: str) -> None:
        """Note a payload or request that Slack would refuse."""
        with self._lock:
            self.violations.append(what)
            self._keep()
        if self.show:
            print(f"--- Slack REFUSED {what}", flush=True)


_PUBLIC = frozenset({"type", "ts", "thread_ts", "text", "blocks", "metadata"})


def _shown(body: Json) -> Json:
    return {key: body[key] for key in ("text", "blocks", "metadata") if body.get(key) is not None}


# ---- HTTP -------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        return

    def do_POST(self) -> None:
        slack = self.server.slack
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hook = self.path.startswith("/services/")
        method = "webhook" if hook else self.path.rstrip("/").rsplit("/", 1)[-1]
        fault = slack.next_fault()
        if self._fails_before(slack, fault):
            return
        status, answer = self._answer(slack, method, raw)
        if fault == "drop_after":
            self.close_connection = True
            return
        if fault in {"slow", "hang_after"}:
            slack.stopping.wait(1.0 if fault == "slow" else slack._hang_s)
        self._reply(status, answer)

    def _fails_before(self, slack: Slack, fault: str) -> bool:
        if fault.startswith("429"):
            self._reply(429, {"ok": False, "error": "ratelimited"}, fault.partition(":")[2] or "1")
        elif fault in {"500", "503"}:
            self._reply(int(fault), "<html>upstream error</html>")
        elif fault == "hang":
            slack.stopping.wait(slack._hang_s)
            self.close_connection = True
        elif fault == "drop_before":
            self.close_connection = True
        else:
            return False
        return True

    def _answer(self, slack: Slack, method: str, raw: bytes) -> tuple[int, Json | str]:
        try:
            body = read_body(self.headers.get_content_type(), raw)
            if method == "webhook":
                return self._webhook(slack, body)
            slack.authorise(self.headers.get("Authorization"))
            if slack.limited(method, str(body.get("channel", ""))):
                return 429, {"ok": False, "error": "ratelimited"}
            return 200, slack.call(method, body)
        except RefusedError as error:
            if error.code not in _NOT_A_MISTAKE:
                slack.violated(f"{method}: {error}")
            return 200, {"ok": False, "error": error.code}

    def _webhook(self, slack: Slack, body: Json) -> tuple[int, Json | str]:
        if slack.limited("webhook", WEBHOOK_CHANNEL):
            return 429, "rate_limited"
        try:
            slack.webhook(body)
        except RefusedError as error:
            slack.violated(f"webhook: {error}")
            return 400, error.code
        return 200, "ok"

    def _reply(self, status: int, answer: Json | str, retry_after: str = "1") -> None:
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)


_NOT_A_MISTAKE = frozenset({"message_not_found", "edit_window_closed", "missing_scope", "thread_not_found"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    slack: Slack

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that went away."""


def start(slack: Slack, port: int = 0) -> tuple[_Server, str]:
    """Serve on the loopback in a thread; return the server and its base URL."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.slack = slack
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def running(slack: Slack) -> Iterator[str]:
    """Serve for the length of a with block; yields the base URL (``/api/`` and ``/services/`` below it)."""
    server, url = start(slack)
    try:
        yield url
    finally:
        slack.stopping.set()
        server.shutdown()
        server.server_close()


def random_faults(seed: int, share: float = 0.35) -> Iterator[str]:
    """Yield faults at random, the same for the same seed."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(FAULTS) if chance.random() < share else ""


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--print", action="store_true", dest="show", help="print every message as it arrives")
    parser.add_argument("--faults", type=int, help="seed of random faults")
    parser.add_argument("--share", type=float, default=0.35, help="share of calls that fail")
    parser.add_argument("--hang", type=float, default=15.0, help="seconds a hanging call hangs")
    parser.add_argument("--rate", type=float, default=0.0, help="messages per second and channel; 0: no limit")
    parser.add_argument("--state", type=Path, help="keep all messages in this JSON file")
    parser.add_argument("--token", default="xoxb-standin")
    given = parser.parse_args()
    faults = None if given.faults is None else random_faults(given.faults, given.share)
    slack = Slack(
        token=given.token,
        rate_per_s=given.rate,
        faults=faults,
        hang_s=given.hang,
        state=given.state,
        show=given.show,
    )
    _, url = start(slack, given.port)
    print(f"Slack stand-in at {url}/api/ and {url}/services/T0/B0/hook", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
