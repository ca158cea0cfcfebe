"""Keeps the diffs of what is recommended, worked out anew only when the advice changes. Reads configuration files."""

from __future__ import annotations

from dataclasses import replace

from analyzerd.model import Effect, Recommendation, SaveIncident
from analyzerd.sources.proposed import Here, with_diffs

MOST = 256
Advices = tuple[Recommendation, ...]


class Diffs:
    """Of the incidents told last, what was advised, and the same with its diffs."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._known: dict[str, tuple[Advices, Advices]] = {}

    def added(self, effect: Effect) -> Effect:
        """Give the effect with the diffs against the files as they were when this was first advised."""
        if not isinstance(effect, SaveIncident) or not any(r.proposed for r in effect.incident.recommendations):
            return effect
        incident = effect.incident
        known = self._known.pop(incident.id, None)
        if known is None or known[0] != incident.recommendations:
            known = incident.recommendations, with_diffs(incident, self._here).recommendations
        self._known[incident.id] = known
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return replace(effect, incident=replace(incident, recommendations=known[1]))
