"""Slack by incoming webhook: posts only. No edit, no thread, no way to look: the degraded mode."""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookClient

from analyzerd.errors import DeliveryError
from analyzerd.notify.contract import CannotLookError, Found, InDoubtError, Label, Payload
from analyzerd.notify.slack_errors import MEND_S, SILENT, retry_after_s, transport_error

_BY_A_PERSON = (
    "no_service", "no_team", "channel_not_found", "channel_is_archived",
    "action_prohibited", "no_active_hooks",
    "invalid_token", "user_not_found",
    "posting_to_general_channel_denied", "team_disabled",
)  # fmt: skip


class SlackWebhook:
    """One incoming webhook; its URL is a secret and never shown."""

    edits = False

    def __init__(self, url: str, *, name: str = "slack-webhook", timeout_s: int = 10) -> None:
        self.name = name
        self._client = WebhookClient(url, timeout=timeout_s, retry_handlers=[], logger=SILENT)

    def post(self, payload: Payload, label: Label, parent_ref: str) -> str:  # noqa: ARG002
        """Post a message; the webhook returns no reference, so it is only noted as posted."""
        body: dict[str, Any] = {"text": payload["text"], "mrkdwn": False}
        body |= {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}
        if payload.get("blocks"):
            body["blocks"] = list(payload["blocks"])
        try:
            answer = self._client.send_dict(body)
        except (SlackClientError, HTTPException, OSError, ValueError) as error:
            raise transport_error(error) from error
        if answer.status_code == 200:
            return "posted"
        raise _refusal(answer.status_code, str(answer.body), answer.headers)

    def edit(self, ref: str, payload: Payload, label: Label) -> None:
        """Post again: a webhook cannot edit."""
        self.post(payload, label, ref)

    def find(self, label: Label, parent_ref: str, since_s: float, after_ref: str, near: str) -> Found | None:  # noqa: ARG002
        """Refuse: a webhook cannot read."""
        raise CannotLookError("a Slack webhook cannot be asked what it posted; set a bot token")


def _refusal(status: int, body: str, headers: Any) -> DeliveryError:
    code = body.strip()[:80]
    if status == 429:
        return DeliveryError("Slack asks to slow down", retry_after_s=retry_after_s(headers))
    if status >= 500:
        return InDoubtError(f"Slack failed ({status})")
    if code in _BY_A_PERSON or status in {403, 404, 410}:
        return DeliveryError(f"the webhook is refused ({code or status}): make a new one", retry_after_s=MEND_S)
    return DeliveryError(f"Slack refused the message: {code}", permanent=True)
