"""What to do about a cause: its rule's advice with one value for each setting, tied changes beside it.

Words come from the rule, numbers from the solver; where no number can be had the reason stands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzerd.core.case import Case
from analyzerd.core.judge import fill, holds
from analyzerd.core.plan import Change, Plan, Refusal, Want, solve
from analyzerd.core.plan.reading import given
from analyzerd.core.plan.values import FIELDS, SETTINGS, Held, held, parsed, shown
from analyzerd.core.solver import Answer, Note
from analyzerd.core.solvers import SOLVERS
from analyzerd.formats.settings import DEFAULT_ORIGIN
from analyzerd.model import Recommendation
from analyzerd.rules.schema import Advice, CauseRule, SignalRule


def recommend(
    rule: CauseRule, case: Case, signals: Mapping[str, SignalRule], standing: Sequence[Recommendation] = ()
) -> tuple[Recommendation, ...]:
    """Every advice that applies, in the rule's order; after it the changes that have to ship with it.

    ``standing``: what other open incidents of the app ask for, each ``agreed_with`` its incident: decided together.
    """
    applying = [a for a in rule.recommend if a.when is None or holds(a.when, case, signals)]
    answers = {id(a): SOLVERS[a.solver](case) for a in applying if a.solver}
    own = [answer for answer in answers.values() if isinstance(answer, Want)]
    if not own:
        return tuple(_said(_Told(rule, case, answers, {}, {}, ()), applying))
    alone, together = solve(given(case), own), solve(given(case), [*own, *_wants(standing, given(case).before)])
    values = {change.field: change.after for change in alone.changes}
    changes = {change.field: change for change in together.changes}
    return tuple(_said(_Told(rule, case, answers, changes, values, together.refusals), applying))


@dataclass(frozen=True, slots=True)
class _Told:
    """What advice is told from. ``alone``: the values without what others ask for."""

    rule: CauseRule
    case: Case
    answers: Mapping[int, Answer]
    changes: Mapping[str, Change]
    alone: Mapping[str, Held]
    refusals: tuple[Refusal, ...]


def _wants(standing: Sequence[Recommendation], before: Plan) -> Iterator[Want]:
    """What others ask for, unless the setting has changed since."""
    for one in standing:
        name = FIELDS.get(one.setting, "")
        if (
            name
            and one.current == shown(name, held(before, name))
            and (value := parsed(name, one.proposed)) is not None
        ):
            yield Want(name, value, one.arithmetic, most=True, by=one.agreed_with)


def _said(told: _Told, applying: Sequence[Advice]) -> Iterator[Recommendation]:
    named, done = {FIELDS.get(advice.setting) for advice in applying}, set[str]()
    for advice in applying:
        name, answer = FIELDS.get(advice.setting, ""), told.answers.get(id(advice))
        verify, says = fill(advice.verify or told.rule.verify, told.case), fill(advice.says, told.case)
        change = told.changes.get(name) if name not in done else None
        if change is None or _is_opposite(change, answer):
            yield _plain(advice.setting, says, _instead(told, answer, change, done), verify, told.case)
            continue
        done.add(name)
        yield _change(change, says, verify, told)
        for tied in _following(told.changes, name):
            if tied.field not in named | done:
                done.add(tied.field)
                yield _change(tied, f"goes with {SETTINGS[name]}: change both together", verify, told)


def _is_opposite(change: Change, answer: Answer | None) -> bool:
    """Whether others ask for the opposite, and it was decided for them."""
    if not isinstance(answer, Want) or not all(isinstance(v, int) for v in (change.before, change.after, answer.value)):
        return False
    before, after, wanted = int(change.before or 0), int(change.after or 0), int(answer.value)
    return (wanted - before) * (after - before) < 0


def _following(changes: Mapping[str, Change], name: str) -> Iterator[Change]:
    """What is tied to a change, and to that in turn."""
    for change in changes.values():
        if change.tied_to == name:
            yield change
            yield from _following(changes, change.field)


def _instead(told: _Told, answer: Answer | None, change: Change | None, done: set[str]) -> str:
    """Why there is no number."""
    if isinstance(answer, Note):
        return answer.text
    if isinstance(answer, Refusal):
        return f"not computed: {answer.why}"
    if isinstance(answer, Want) and change is not None:
        by = f" ({change.by})" if change.by else ""
        return f"not computed: another incident{by} asks for {change.after}, see to that first ({answer.why})"
    if isinstance(answer, Want) and answer.field not in done:
        refused = next((r.why for r in told.refusals if r.field == answer.field), "")
        return f"not computed: {refused} ({answer.why})" if refused else f"stands already: {answer.why}"
    return ""


def _plain(setting: str, says: str, why: str, verify: str, case: Case) -> Recommendation:
    name = FIELDS.get(setting, "")
    now = shown(name, held(given(case).before, name)) if name else case.setting(setting)
    file, line = case.origin(setting)
    return Recommendation(setting, says, current=now, arithmetic=why, file=file, line=line, verify=verify)


def place_of(case: Case, setting: str) -> tuple[str, int | None]:
    """Where a setting stands, or belongs: one that stands nowhere into the config file there is."""
    file, line = case.origin(setting)
    if not setting.startswith("gunicorn.") or file not in ("", DEFAULT_ORIGIN):
        return file, line
    origins = (
        one.origin for name, one in case.settings.items() if name.startswith("gunicorn.") and ".py:" in one.origin
    )
    files = {origin.rpartition(":")[0] for origin in origins}
    named = str(case.setting("gunicorn.config") or "")
    files |= {named} if named.startswith("/") and named.endswith(".py") else set()
    return (files.pop(), None) if len(files) == 1 else (file, line)


def _change(change: Change, says: str, verify: str, told: _Told) -> Recommendation:
    setting, other = SETTINGS[change.field], told.alone.get(change.field) != change.after
    file, line = place_of(told.case, setting)
    return Recommendation(
        setting=setting,
        says=says,
        current=shown(change.field, change.before),
        proposed=shown(change.field, change.after),
        arithmetic=f"{change.by}: {change.why}" if other and change.by else change.why,
        file=file,
        line=line,
        verify=verify,
        tied_to=SETTINGS[change.tied_to] if change.tied_to else "",
        agreed_with=change.by if other else "",
    )
