"""What the sender needs of its neighbours: an outbox, a sink and the words. Protocols and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from analyzerd.errors import DeliveryError
from analyzerd.model import Incident, Verified

Payload = Mapping[str, Any]
"""``text`` (always) and ``blocks`` (Slack): what to show, without any address."""


@dataclass(frozen=True, slots=True)
class Words:
    """The pure functions that turn incidents into payloads; given by the shell, which knows the sink.

    ``plain`` is the smallest form, for a sink that refused the full one. ``followup`` is the one-line
    change of state for sinks that cannot edit. ``merged``: the incident is part of another one. ``verdict``: what
    came of a change, in full or in the smallest form.
    """

    message: Callable[[Incident, str], Payload]
    thread: Callable[[Incident], Payload]
    plain: Callable[[Incident, str], Payload]
    followup: Callable[[Incident, str], Payload]
    summary: Callable[[Sequence[Incident]], Payload]
    verdict: Callable[[Verified], Payload]
    plain_verdict: Callable[[Verified], Payload]


@dataclass(frozen=True, slots=True)
class Label:
    """How a message is recognised again: which incident, which part of it, which revision."""

    incident: str
    part: str
    revision: int


@dataclass(frozen=True, slots=True)
class Found:
    """A message that is already there."""

    ref: str
    revision: int


class MessageGoneError(DeliveryError):
    """The message was deleted or may no longer be edited: it has to be posted anew."""


class InDoubtError(DeliveryError):
    """The sink may or may not have accepted the message."""


class CannotLookError(DeliveryError):
    """The sink does not let us look for our own messages (scope, membership); says so once."""


class Sink(Protocol):
    """A place that shows messages. All raise DeliveryError or one of its kinds above.

    ``edits``: a posted message can be changed and can carry a thread.
    """

    name: str
    edits: bool

    def post(self, payload: Payload, label: Label, parent_ref: str) -> str:
        """Show a new message (in the thread of ``parent_ref`` unless ''); return its reference."""
        ...

    def edit(self, ref: str, payload: Payload, label: Label) -> None:
        """Replace what ``ref`` shows."""
        ...

    def find(self, label: Label, parent_ref: str, since_s: float, after_ref: str, near: str) -> Found | None:
        """Look for a message of this incident and part posted since ``since_s`` and after ``after_ref``.

        ``near`` is the reference of any message in the same place, '' when there is none.
        """
        ...


class Delivery(Protocol):
    """One row of the outbox, as the sender sees it; documented at its maker, the store."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def sink(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def part(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> int: ...  # noqa: D102
    @property
    def ref(self) -> str: ...  # noqa: D102
    @property
    def parent_ref(self) -> str: ...  # noqa: D102
    @property
    def shown_key(self) -> str: ...  # noqa: D102
    @property
    def after_ref(self) -> str: ...  # noqa: D102
    @property
    def plain(self) -> bool: ...  # noqa: D102
    @property
    def in_doubt(self) -> bool: ...  # noqa: D102
    @property
    def first_attempt_s(self) -> float | None: ...  # noqa: D102
    @property
    def last_attempt_s(self) -> float | None: ...  # noqa: D102
    @property
    def incident(self) -> Incident | None: ...  # noqa: D102
    @property
    def verified(self) -> Verified | None: ...  # noqa: D102
    @property
    def members(self) -> tuple[Incident, ...]: ...  # noqa: D102


class Queue(Protocol):
    """The outbox, as the sender sees it; documented at its maker, the store."""

    def claim(self, now_s: float) -> Delivery | None: ...  # noqa: D102
    def next_due_s(self) -> float | None: ...  # noqa: D102
    def any_ref(self, sink: str) -> str: ...  # noqa: D102
    def begin(self, row_id: int, now_s: float) -> None: ...  # noqa: D102
    def done(  # noqa: D102
        self, row_id: int, ref: str, revision: int, shown_key: str = "", now_s: float | None = None
    ) -> None: ...
    def retry(  # noqa: D102
        self, row_id: int, not_before_s: float, why: str, *, in_doubt: bool = False, plain: bool = False
    ) -> None: ...
    def give_up(self, row_id: int, revision: int, why: str) -> None: ...  # noqa: D102
    def lost(self, row_id: int) -> None: ...  # noqa: D102
    def hold(self, sink: str, until_s: float, why: str) -> int: ...  # noqa: D102
    def failures(self, sink: str) -> int: ...  # noqa: D102
    def release(self, sink: str) -> None: ...  # noqa: D102
    def fold_backlog(self, now_s: float, over: int, late_s: float) -> int: ...  # noqa: D102
