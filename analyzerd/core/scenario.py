"""Runs a written scenario through the whole engine: for the tests inside cause rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzerd.core.engine import Engine, Options
from analyzerd.core.replay import finish, run_until
from analyzerd.formats.scenario import parse_scenario
from analyzerd.model import Benign, Effect, SaveBenign, SaveIncident, Tick, Verdict
from analyzerd.rules.schema import RuleSet


def diagnose_scenario(text: str, rules: RuleSet) -> Sequence[tuple[str, str, str]]:
    """(cause, verdict, because) of every hypothesis: the leading ones of the incidents first, then their rivals."""
    engine, effects = Engine(rules, Options()), list[Effect]()
    for item in parse_scenario(text):
        effects += run_until(engine, item.time_s) if isinstance(item, Tick) else engine.step(item)
    effects += engine.flush()
    effects += finish(engine)
    final = {e.incident.id: e.incident for e in effects if isinstance(e, SaveIncident)}
    standing = [i for i in final.values() if not i.resolution]
    found = [(i.cause, i.verdict.value, i.because) for i in standing]
    benign = [e.benign for e in effects if isinstance(e, SaveBenign)]
    found += [(b.id, Verdict.CONFIRMED.value, "") for b in benign if _is_answer(b, rules)]
    found += [(h.cause, h.verdict.value, h.because) for i in standing for h in i.hypotheses if h.cause != i.cause]
    return found + [(cause, Verdict.RULED_OUT.value, "") for cause in _not_raised(engine, rules, nothing=not found)]


def _not_raised(engine: Engine, rules: RuleSet, *, nothing: bool) -> Iterator[str]:
    """Suspects that no incident lists: of what was measured and is not clear, or when there is no incident at all."""
    for cause in rules.causes.values():
        measured = [rule for rule in cause.opens_on if rule.startswith("derived.")]
        asked = any((nothing or rule in measured) and rule in engine.state.signals for rule in cause.opens_on)
        if asked or (nothing and measured == list(cause.opens_on)):  # the watch has looked and saw nothing
            yield cause.id


def _is_answer(benign: Benign, rules: RuleSet) -> bool:
    """Whether a benign finding is a cause's answer to a question; a signal may count towards the same one."""
    cause = rules.causes.get(benign.id)
    return cause is not None and benign.because == cause.title
