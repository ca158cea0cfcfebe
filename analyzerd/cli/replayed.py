"""What a replay would have posted, counted from an engine's effects; and what a rule on trial changes in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from analyzerd.cli.findings import Findings
from analyzerd.cli.trial import Trial
from analyzerd.core.engine import Engine
from analyzerd.model import Benign, CountSignals, Effect, Incident, SaveBenign, SaveIncident


@dataclass(slots=True)
class Message:
    """One message as it would stand in the channel now: when it was posted, and how many edits followed."""

    posted_s: float
    incident: Incident
    edits: int = 0


@dataclass(slots=True)
class Told:
    """What one engine would have told: messages by incident, harmless findings, and matches by signal rule."""

    engine: Engine
    messages: dict[str, Message] = field(default_factory=dict)
    benign: dict[tuple[str, str], Benign] = field(default_factory=dict)
    matches: Counter[str] = field(default_factory=Counter)

    def take(self, effects: Iterable[Effect]) -> None:
        """Count what the effects would have brought to the channel."""
        for effect in effects:
            match effect:
                case SaveIncident(incident=incident):
                    message = self.messages.setdefault(incident.id, Message(self.engine.state.now_s, incident, -1))
                    message.incident, message.edits = incident, message.edits + 1
                case SaveBenign(benign=benign):
                    self.benign[benign.app, benign.id] = benign
                case CountSignals(counts=counts):
                    for (_, rule), count in counts.items():
                        self.matches[rule] += count
                case _:
                    pass

    def in_order(self) -> list[Message]:
        """Messages as they would have come."""
        return sorted(self.messages.values(), key=lambda one: (one.posted_s, one.incident.id))


@dataclass(slots=True)
class Replayed:
    """The past as it would have been told; with a rule on trial also as it is told without it."""

    now: Told
    before: Told | None
    found: Findings
    tried: Trial | None
    first_s: float = 0.0
    last_s: float = 0.0

    def change(self, message: Message) -> str:
        """What the rule on trial does to a message: new, changed, gone, or ''."""
        if self.before is None:
            return ""
        old = self.before.messages.get(message.incident.id)
        if old is message:
            return "gone"
        return "new" if old is None else "changed" if old.incident.cause != message.incident.cause else ""

    def messages(self) -> list[Message]:
        """Everything to list, in order; messages that the rule on trial takes away among them."""
        before = self.before.messages if self.before else {}
        gone = [message for name, message in before.items() if name not in self.now.messages]
        return sorted([*self.now.in_order(), *gone], key=lambda one: (one.posted_s, one.incident.id))
