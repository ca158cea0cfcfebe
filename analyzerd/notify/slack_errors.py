"""What Slack's errors mean for a delivery: try later, never, post anew, or look first. Sends nothing."""

from __future__ import annotations

import logging
import urllib.error
from typing import Any

from slack_sdk.errors import SlackApiError

from analyzerd.errors import DeliveryError
from analyzerd.notify.contract import InDoubtError, MessageGoneError

SILENT = logging.getLogger("analyzerd.notify.slack_sdk")
"""For the SDK's clients: their failures are told once, by the sender, in its own words."""
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

MEND_S = 300.0
"""How often to try again where a person has to act first (token, membership)."""

_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message", "thread_not_found", "is_inactive"})
_BY_A_PERSON = {
    "invalid_auth": "the token is not valid",
    "not_authed": "no token was sent",
    "account_inactive": "the token belongs to a deleted user or workspace",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "missing_scope": "the token lacks a scope",
    "channel_not_found": "there is no such channel, or the bot cannot see it",
    "not_in_channel": "the bot is not in the channel: invite it",
    "is_archived": "the channel is archived",
    "restricted_action": "the workspace does not let the bot post there",
    "org_login_required": "the workspace is being migrated",
    "ekm_access_denied": "the workspace's administrators suspended posting",
    "team_access_not_granted": "the app is not allowed in that workspace",
    "no_permission": "the token may not post there",
}
_LATER = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded", "team_added_to_org", "access_denied"})
_SERVER = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout"})


def api_error(error: SlackApiError) -> DeliveryError:
    """Read an answer that is not ``ok``: HTTP status first, then Slack's own word."""
    answer: Any = error.response
    status = int(answer.status_code)
    data = answer.data if isinstance(answer.data, dict) else {}
    code = str(data.get("error", ""))
    if status == 429 or code in _LATER:
        return DeliveryError("Slack asks to slow down", retry_after_s=retry_after_s(answer.headers))
    if status >= 500 or code in _SERVER:
        return InDoubtError(f"Slack failed ({status} {code})".rstrip())
    if code in _GONE:
        return MessageGoneError(f"Slack says {code}")
    if code in _BY_A_PERSON:
        needed = f" ({data['needed']})" if data.get("needed") else ""
        return DeliveryError(f"{_BY_A_PERSON[code]}{needed} [{code}]", retry_after_s=MEND_S)
    if not code:
        return InDoubtError(f"an answer that is not Slack's ({status}): is there a proxy between?")
    return DeliveryError(f"Slack refused the message: {code}", permanent=True)


def retry_after_s(headers: Any) -> float:
    """Read Retry-After in seconds; 30 when it is missing or odd."""
    for name, value in dict(headers or {}).items():
        if str(name).lower() == "retry-after":
            first = value[0] if isinstance(value, list) else value
            try:
                return min(86400.0, max(0.0, float(first)))
            except ValueError:
                break
    return 30.0


def transport_error(error: Exception) -> DeliveryError:
    """Read a failure below HTTP: certain not to have been sent, or in doubt."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    what = f"Slack cannot be reached: {reason or type(reason).__name__}"
    never_sent = isinstance(error, urllib.error.URLError) and not isinstance(
        reason, TimeoutError | ConnectionResetError | BrokenPipeError
    )
    return DeliveryError(what) if never_sent else InDoubtError(what)
