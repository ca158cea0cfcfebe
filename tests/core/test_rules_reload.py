"""Rules change under a running engine: a broken file keeps its last good version and becomes one blind spot."""

from __future__ import annotations

from analyzerd.core.engine import Engine
from analyzerd.core.facts import FACTS
from analyzerd.core.replay import finish
from analyzerd.core.solvers import SOLVERS
from analyzerd.formats.scenario import parse_scenario
from analyzerd.model import Blind, Health
from analyzerd.rules.layers import Layer, build
from tests.core.stage import ROOT, RULES, causes, outcome
from tests.core.stories import OUT_OF_MEMORY

FILES = {str(path.relative_to(ROOT)): path.read_text() for path in ROOT.rglob("*.yaml")}
BROKEN = {**FILES, "causes/out-of-memory.yaml": "rule: out-of-memory\nkind: [\n"}


def test_a_broken_file_keeps_its_last_good_version() -> None:
    """The mistake is named with its place; the cause is still found; mended, the blind spot closes."""
    broken = build([Layer("rules.d", BROKEN)], RULES, facts=FACTS, solvers=SOLVERS)
    assert len(broken.problems) == 1
    assert "out-of-memory.yaml:" in broken.problems[0]
    engine = Engine(RULES)
    engine.use(broken)
    told = [engine.step(Health(1.0, "rules", "blind", broken.problems[0])) for _ in range(2)]
    assert [[e.open for e in effects if isinstance(e, Blind)] for effects in told] == [[True], []]
    effects = [effect for item in parse_scenario(OUT_OF_MEMORY) for effect in engine.step(item)]
    assert causes(outcome([*effects, *finish(engine)])) == ["out-of-memory"]
    engine.use(RULES)
    assert [e.open for e in engine.step(Health(2.0, "rules", "reading")) if isinstance(e, Blind)] == [False]


def test_new_rules_judge_a_question_that_is_open() -> None:
    """Between two lines of one incident the rules are loaded anew; nothing is lost."""
    engine, effects = Engine(RULES), []
    for item in parse_scenario(OUT_OF_MEMORY):
        effects += engine.step(item)
        engine.use(RULES)
    assert causes(outcome([*effects, *finish(engine)])) == ["out-of-memory"]
