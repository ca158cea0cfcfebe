"""Shows messages on a terminal or in the log: the sink when no Slack credential is set. Cannot edit."""

from __future__ import annotations

import sys
from typing import TextIO

from analyzerd.errors import DeliveryError
from analyzerd.notify.contract import Found, Label, Payload


class Console:
    """Prints every message once, then one line per change of state."""

    edits = False

    def __init__(self, stream: TextIO | None = None, name: str = "console") -> None:
        """``stream`` is stdout unless given."""
        self.name, self._stream = name, stream

    def post(self, payload: Payload, label: Label, parent_ref: str) -> str:  # noqa: ARG002
        """Print the text; raises DeliveryError when the stream is closed or full."""
        stream = self._stream or sys.stdout
        try:
            stream.write(f"{payload['text']}\n")
            stream.flush()
        except (OSError, ValueError) as error:
            raise DeliveryError(f"cannot print: {error}") from error
        return "printed"

    def edit(self, ref: str, payload: Payload, label: Label) -> None:
        """Print again: what is printed stays."""
        self.post(payload, label, ref)

    def find(self, label: Label, parent_ref: str, since_s: float, after_ref: str, near: str) -> Found | None:  # noqa: ARG002
        """Find nothing: a terminal cannot be read back."""
        return None
