"""What only shows when all rules are known: names of signals, causes and captures that nobody defines."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from analyzerd.rules import vocabulary as words
from analyzerd.rules.schema import CauseRule, Condition, SignalRule
from analyzerd.rules.template import names
from analyzerd.rules.yaml_strict import suggest


def cross_check(
    signals: Mapping[str, SignalRule], causes: Mapping[str, CauseRule], facts: Container[str] | None = None
) -> list[str]:
    """Return one line per name that leads nowhere: ``path: cause x: unknown signal 'y', did you mean 'z'?``.

    ``facts`` None leaves the names in sentences unchecked.
    """
    problems: list[str] = []
    for cause in causes.values():
        found = [*_unknown_rules(cause, signals, causes)]
        if facts is not None:
            found += _unknown_names(cause, signals, facts)
        problems += (f"{cause.origin}: {problem}" for problem in found)
    return problems


def conditions_of(cause: CauseRule) -> Iterator[Condition]:
    """Yield every condition of a cause: evidence, against, what makes it mild or grave, the ``when``s."""
    yield from cause.evidence
    yield from cause.against
    yield from (graded for graded in (cause.info_when, cause.critical_when) if graded)
    yield from (item.when for item in cause.because if item.when)
    yield from (item.when for item in cause.recommend if item.when)


def _unknown_rules(
    cause: CauseRule, signals: Mapping[str, SignalRule], causes: Mapping[str, CauseRule]
) -> Iterator[str]:
    for key, used in (("opens_on", cause.opens_on), ("folds", cause.folds)):
        for name in used:
            if name not in signals:
                yield f"{key}: unknown signal {name!r}{suggest(name, signals)}"
    for condition in conditions_of(cause):
        name = condition.signal or condition.absent
        if name and name not in signals:
            yield f"{condition.id or 'when'}: unknown signal {name!r}{suggest(name, signals)}"
    for name in cause.explains_away:
        if name not in causes:
            yield f"explains_away: unknown cause {name!r}{suggest(name, causes)}"


def _unknown_names(cause: CauseRule, signals: Mapping[str, SignalRule], facts: Container[str]) -> Iterator[str]:
    captured = {name for rule in signals.values() for name in rule.fields}
    for sentence in _sentences(cause):
        for name in names(sentence):
            if "." in name or name in words.TEMPLATE_WORDS or name in words.EVENT_FIELDS or name in facts:
                continue
            if name not in captured:
                yield f"{{{name}}} in {sentence!r} is no fact and no signal's field{suggest(name, captured)}"


def _sentences(cause: CauseRule) -> Iterator[str]:
    yield from (cause.title, cause.verify)
    for condition in conditions_of(cause):
        yield from (condition.says, condition.says_not, condition.missing)
    for item in cause.because:
        yield item.says
    for advice in cause.recommend:
        yield from (advice.says, advice.verify)
