"""Slack over its Web API with a bot token: post, edit, thread, look up. Renders nothing, retries nothing.

Every failure becomes one of the kinds of DeliveryError; when to try again is the sender's business.
"""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from analyzerd.errors import DeliveryError
from analyzerd.notify.contract import CannotLookError, Found, InDoubtError, Label, MessageGoneError, Payload
from analyzerd.notify.slack_errors import SILENT, api_error, transport_error

EVENT_TYPE = "analyzerd_incident"
BASE_URL = "https://slack.com/api/"
TIMEOUT_S = 10
PAGE = 100
PAGES = 50
CANNOT_LOOK = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "not_allowed_token_type"})


class SlackChannel:
    """One channel. A reference is ``<channel id>/<ts>``."""

    edits = True

    def __init__(self, token: str, channel: str, *, base_url: str = BASE_URL, timeout_s: int = TIMEOUT_S) -> None:
        """``channel`` is an id (C0123) or a name; with a name, lookups need one message posted before."""
        self.name, self._channel = f"slack:{channel}", channel
        base_url = base_url if base_url.endswith("/") else f"{base_url}/"
        self._client = WebClient(token=token, base_url=base_url, timeout=timeout_s, retry_handlers=[], logger=SILENT)

    def check(self) -> str:
        """Return who we are (``bot @ team``). Raises DeliveryError when the token is not accepted."""
        answer = _call(self._client.auth_test)
        return f"{answer.get('user', '?')} @ {answer.get('team', '?')}"

    def post(self, payload: Payload, label: Label, parent_ref: str) -> str:
        """Post a new message, in the thread of ``parent_ref`` unless ''."""
        channel, thread_ts = _split(parent_ref) if parent_ref else (self._channel, None)
        answer = _call(
            self._client.chat_postMessage,
            channel=channel,
            thread_ts=thread_ts,
            text=payload["text"],
            blocks=payload.get("blocks"),
            metadata=_metadata(label),
            mrkdwn=False,
            parse="none",
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
        )
        return f"{answer['channel']}/{answer['ts']}"

    def edit(self, ref: str, payload: Payload, label: Label) -> None:
        """Replace a message."""
        channel, ts = _split(ref)
        _call(
            self._client.chat_update,
            channel=channel,
            ts=ts,
            text=payload["text"],
            blocks=payload.get("blocks", []),
            metadata=_metadata(label),
            parse="none",
            link_names=False,
        )

    def find(self, label: Label, parent_ref: str, since_s: float, after_ref: str, near: str) -> Found | None:
        """Search the channel's history, or the thread of ``parent_ref``, for our own message."""
        channel = _split(parent_ref or near)[0] if parent_ref or near else self._channel
        oldest = max(f"{max(since_s, 0.0):017.6f}", _ts(after_ref))
        cursor = ""
        for _ in range(PAGES):
            answer = self._page(channel, parent_ref, oldest, cursor)
            for message in answer.get("messages") or ():
                if found := _recognise(message, label, channel, _ts(after_ref)):
                    return found
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None
        raise CannotLookError("the channel is too busy to find our own messages in its history")

    def _page(self, channel: str, parent_ref: str, oldest: str, cursor: str) -> SlackResponse:
        where: dict[str, Any] = {"channel": channel, "limit": PAGE, "include_all_metadata": True}
        where |= {"oldest": f"{float(oldest):.6f}"} | ({"cursor": cursor} if cursor else {})
        try:
            if parent_ref:
                return _call(self._client.conversations_replies, ts=_split(parent_ref)[1], **where)
            return _call(self._client.conversations_history, **where)
        except SlackRefusedError as error:
            if error.permanent or error.code in CANNOT_LOOK:
                raise CannotLookError(
                    f"Slack does not let us read the channel's history ({error.code}): give the bot "
                    "channels:history (private channel: groups:history), invite it, and set the channel's id"
                ) from error
            raise
        except InDoubtError as error:
            raise DeliveryError(str(error), retry_after_s=error.retry_after_s) from error


class SlackRefusedError(DeliveryError):
    """Slack answered ``ok: false``; ``code`` is its error."""

    code = ""


def _call(method: Callable[..., SlackResponse], **arguments: Any) -> SlackResponse:
    try:
        return method(**{name: value for name, value in arguments.items() if value is not None})
    except SlackApiError as error:
        kind = api_error(error)
        if isinstance(kind, MessageGoneError | InDoubtError):
            raise kind from error
        refusal = SlackRefusedError(str(kind), permanent=kind.permanent, retry_after_s=kind.retry_after_s)
        refusal.code = str(error.response.get("error", "")) if isinstance(error.response.data, dict) else ""
        raise refusal from error
    except (SlackClientError, HTTPException, OSError, ValueError) as error:
        raise transport_error(error) from error


def _metadata(label: Label) -> dict[str, object]:
    payload = {"incident": label.incident, "revision": label.revision, "part": label.part}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def _recognise(message: Any, label: Label, channel: str, after_ts: str) -> Found | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    ours = metadata.get("event_type") == EVENT_TYPE and payload.get("incident") == label.incident
    if not ours or payload.get("part") != label.part or _padded(message["ts"]) <= after_ts:
        return None
    return Found(f"{channel}/{message['ts']}", int(payload.get("revision", 0)))


def _split(ref: str) -> tuple[str, str]:
    channel, _, ts = ref.partition("/")
    return channel, ts


def _ts(ref: str) -> str:
    return _padded(_split(ref)[1]) if ref else ""


def _padded(ts: str) -> str:
    return ts.rjust(17, "0")
