"""Order of arrival, the cut of the input and restarts leave no trace in what is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzerd.core.engine import Engine
from analyzerd.core.intake import Intake
from analyzerd.core.replay import replay
from analyzerd.core.state import decode, encode
from analyzerd.model import Entries, Lines
from analyzerd.rules.schema import CauseRule
from tests.core.stage import (
    RULES,
    causes,
    inputs,
    is_measured,
    outcome,
    play,
    play_windows,
    shuffled,
    stands_any_order_and_a_restart,
    timed,
    windows,
)
from tests.core.stories import STORIES

EXPECTED = {
    "out of memory": ["out-of-memory"],
    "native hang": ["app-native-hang"],
    "boot failure": ["boot-failure"],
    "mismatch": ["nginx-timeout-mismatch"],
    "deploy": [],
    "two time out": ["app-waits"],
}
names = st.sampled_from(sorted(STORIES))
IN_ORDER = {name: play_windows(windows(timed(text))) for name, text in STORIES.items()}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_has_one_incident(name: str) -> None:
    """The stories mean what their names say; otherwise the properties below would prove nothing."""
    assert causes(IN_ORDER[name]) == EXPECTED[name]
    assert causes(play(STORIES[name])) == EXPECTED[name]


@settings(max_examples=12, deadline=None)
@given(name=names, rng=st.randoms(use_true_random=False))
def test_order_of_arrival_leaves_no_trace(name: str, rng: random.Random) -> None:
    """Whatever comes first inside the settle window: the same incidents, word for word."""
    assert play_windows(shuffled(windows(timed(STORIES[name])), rng)) == IN_ORDER[name]


@settings(max_examples=8, deadline=None)
@given(name=names, rng=st.randoms(use_true_random=False))
def test_a_restart_leaves_no_trace(name: str, rng: random.Random) -> None:
    """Saved and restored between any inputs, also out of order, the engine ends with the same."""
    groups = shuffled(windows(timed(STORIES[name])), rng)
    assert play_windows(groups, restart=lambda: rng.random() < 0.3) == IN_ORDER[name]


@pytest.mark.parametrize("rule", [r for r in RULES.causes.values() if not is_measured(r)], ids=lambda rule: rule.id)
def test_every_cause_stands_any_order_and_a_restart(rule: CauseRule) -> None:
    """The situations inside the cause rules, shuffled and interrupted, keep their answers."""
    stands_any_order_and_a_restart(rule)


def cut(pieces: list[Lines | Entries], rng: random.Random) -> list[Lines | Entries]:
    """Cut text between lines and entries anywhere."""
    found: list[Lines | Entries] = []
    for piece in pieces:
        units = piece.data.splitlines(keepends=True) if isinstance(piece, Lines) else list(piece.entries)
        while units:
            size = rng.randint(1, len(units))
            part, units = units[:size], units[size:]
            found.append(_piece(piece, part))
    return found


def _piece(like: Lines | Entries, part: list) -> Lines | Entries:  # type: ignore[type-arg]
    return Lines(like.stream, b"".join(part)) if isinstance(like, Lines) else Entries(like.stream, tuple(part))


def joined(text: str) -> list[Lines | Entries]:
    """Return the text of each stream of a story in one piece."""
    whole: dict[str, Lines | Entries] = {}
    for item in inputs(text):
        if isinstance(item, Lines) and item.stream.name in whole:
            known = whole[item.stream.name]
            assert isinstance(known, Lines)
            whole[item.stream.name] = Lines(item.stream, known.data + item.data)
        elif isinstance(item, Entries) and item.stream.name in whole:
            known = whole[item.stream.name]
            assert isinstance(known, Entries)
            whole[item.stream.name] = Entries(item.stream, (*known.entries, *item.entries))
        elif isinstance(item, Lines | Entries):
            whole[item.stream.name] = item
    return list(whole.values())


def events_of(pieces: list[Lines | Entries], *, saved: bool = False) -> list[object]:
    """Return what intake makes of text, in order of time; ``saved``: its state restored before every piece."""
    found: list[object] = []
    engine = Engine(RULES)
    for piece in pieces:
        if saved:
            state = decode(encode(engine.state))
            engine = Engine(RULES, state=state)
        found += engine.intake.feed(piece, 0.0)
    found += engine.intake.flush()
    return sorted(found, key=lambda e: (e.time_s, repr(e)))  # type: ignore[attr-defined]


@settings(max_examples=12, deadline=None)
@given(name=names, saved=st.booleans(), rng=st.randoms(use_true_random=False))
def test_the_cut_of_text_leaves_no_trace(name: str, saved: bool, rng: random.Random) -> None:
    """Lines and entries cut anywhere, with a restart at each cut, give the same events."""
    pieces = [p for p in joined(STORIES[name]) if not (isinstance(p, Lines) and "access" in p.stream.kind)]
    assert events_of(cut(pieces, rng), saved=saved) == events_of(pieces)


@settings(max_examples=8, deadline=None)
@given(name=names, rng=st.randoms(use_true_random=False))
def test_the_cut_of_text_changes_no_incident(name: str, rng: random.Random) -> None:
    """The whole way, access logs included: text in pieces of any size ends in the same incidents."""
    others = [item for item in inputs(STORIES[name]) if not isinstance(item, Lines | Entries)]

    def found(pieces: list[Lines | Entries]) -> object:
        intake = Intake(RULES, {})
        events = [event for piece in pieces for event in intake.feed(piece, 0.0)] + intake.flush()
        return outcome(replay(Engine(RULES), sorted([*others, *events], key=lambda item: item.time_s)))

    whole = joined(STORIES[name])
    assert found(cut(whole, rng)) == found(whole)
