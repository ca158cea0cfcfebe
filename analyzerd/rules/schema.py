"""What a rule says, as frozen values: signal rules (what was seen) and cause rules (why).

Built by loader.py from strict YAML; read by core. Holds data only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from analyzerd.model import Severity, Value

SUBJECTS = ("worker", "app", "upstream")
"""What a signal can be about: one worker process, the app as a whole, or the nginx side of the app."""

FIELD_TYPES = ("pid", "int", "float", "str")
STATUSES = ("experimental", "shadow", "stable")
WEIGHTS = ("weak", "medium", "strong")
JOINS = ("worker", "app", "none")


@dataclass(frozen=True, slots=True)
class Comparison:
    """``is:`` of a condition. ``op``: ==, !=, >=, <=, >, <, in, not in; ``values`` has one item unless in."""

    op: str
    values: tuple[Value, ...]
    text: str


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One inline test. Signal rules: ``line`` (or ``entry`` fields) and the expected captures or no match.

    ``source`` is the kind of stream the line comes from; ``line`` may hold several lines (a traceback);
    ``log_format`` is the access-log format it was written with, '' for the default one.
    Cause rules: ``stream`` (see formats/stream.py) and expected cause and verdict.
    """

    name: str
    line: str = ""
    stream: str = ""
    expect: Mapping[str, Value] | None = None
    source_line: int = 0
    source: str = ""
    entry: Mapping[str, Value] = field(default_factory=dict)
    log_format: str = ""


@dataclass(frozen=True, slots=True)
class SignalRule:
    """A line or typed event of ``sources`` that means one thing.

    ``event``: match events whose field ``event`` has this value (assembled blocks, manager messages,
    requests). ``contains`` and ``regex``: literal prefilter and pattern on ``Event.text``, or on the fields
    named in ``on``. ``literals``: the raw line holds one of them whenever the rule matches (``contains`` or
    taken from the regex); a rule without any is tried on every event of its sources. ``raw``: such a
    literal that need not be part of the text (it stands in the prefix that the format splits off).
    ``where``: conditions on event fields. ``fields``: captured group -> type.
    ``opens``: the subject this signal raises a question about, '' for context only.
    ``benign``: id of the benign finding it counts towards when nothing else claims it, with
    ``benign_because``.
    """

    id: str
    title: str
    sources: tuple[str, ...]
    severity: Severity
    status: str = "stable"
    description: str = ""
    references: tuple[str, ...] = ()
    contains: str = ""
    regex: str = ""
    event: str = ""
    where: Mapping[str, Comparison] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    opens: str = ""
    benign: str = ""
    benign_because: str = ""
    tests: tuple[RuleTest, ...] = ()
    origin: str = ""
    literals: tuple[str, ...] = ()
    on: tuple[str, ...] = ("text",)
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One checked thing: exactly one of signal, absent, fact, setting.

    ``signal``/``absent``: a signal rule id, joined to the question by ``join`` (worker: same worker pid; app:
    same app; none: anywhere on the host), at most ``within_s`` away, fields as in ``where``, at least
    ``min_count`` times. ``absent`` is UNKNOWN where the signal's source is not read.
    ``fact``: a name of core/facts.py; ``setting``: a dotted setting name; both compared with ``compare``.
    ``required``: FALSE rules the cause out. ``decisive``: TRUE confirms (in evidence) or rules out (in
    against). ``says``: the sentence when TRUE, ``says_not`` when FALSE, ``missing`` when UNKNOWN;
    ``{value}``, fact names and fields of the joined signal may stand in braces.
    """

    id: str
    says: str
    says_not: str = ""
    missing: str = ""
    weight: str = "medium"
    decisive: bool = False
    required: bool = False
    signal: str = ""
    absent: str = ""
    fact: str = ""
    setting: str = ""
    compare: Comparison | None = None
    join: str = "app"
    within_s: float = 30.0
    where: Mapping[str, Comparison] = field(default_factory=dict)
    min_count: int = 1


@dataclass(frozen=True, slots=True)
class Because:
    """A refinement of a cause: the first whose condition is TRUE names it."""

    id: str
    says: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation of a cause. ``solver``: a name of core/solvers.py, or '' for words alone."""

    setting: str
    says: str
    solver: str = ""
    when: Condition | None = None
    verify: str = ""


@dataclass(frozen=True, slots=True)
class Applies:
    """Version and worker class a rule is about; an unknown version or class does not exclude it."""

    gunicorn: str = ""
    worker_class: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CauseRule:
    """Why: a suspect, what speaks for and against it, what it explains, what to do.

    ``opens_on``: signals that put it on the suspect list. ``key``: fact names that tell two incidents of
    this cause apart (beside the app). ``folds``: signals that are its consequences within
    ``folds_within_s`` of it.
    ``explains_away``: causes that are ruled out when this one is confirmed. ``prior``: confidence with all
    evidence in. ``benign``: this cause is no incident, it is counted as the benign finding of its id.
    ``info_when``: while this is TRUE the incident is no alert, its severity is info, and the summary ends with its
    ``says``. ``rank``: among equals, the lower wins (hard evidence first). ``min_count``: opening signals needed.
    ``moves``: the gauge that falls when the advice is followed and right (``idle up``: that rises).
    ``promise``: what is smaller then; '': the lines it was opened by, where there were any, else the p95.
    """

    id: str
    title: str
    severity: Severity
    opens_on: tuple[str, ...]
    guide_cause: str = ""
    status: str = "stable"
    description: str = ""
    references: tuple[str, ...] = ()
    prior: float = 0.9
    rank: int = 50
    benign: bool = False
    applies: Applies = field(default_factory=Applies)
    key: tuple[str, ...] = ()
    evidence: tuple[Condition, ...] = ()
    against: tuple[Condition, ...] = ()
    because: tuple[Because, ...] = ()
    explains_away: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    folds_within_s: float = 30.0
    info_when: Condition | None = None
    critical_when: Condition | None = None
    min_count: int = 1
    recommend: tuple[Advice, ...] = ()
    verify: str = ""
    moves: str = ""
    promise: str = ""
    tests: tuple[RuleTest, ...] = ()
    origin: str = ""


Rule: TypeAlias = SignalRule | CauseRule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, by id, in a stable order; ``problems`` are files that could not be used.

    ``warnings`` are files in force that deserve a look (an adjusted vendor default has changed).
    """

    signals: Mapping[str, SignalRule]
    causes: Mapping[str, CauseRule]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
