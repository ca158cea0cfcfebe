"""The yardstick for patterns that backtrack tells the two kinds apart."""

from __future__ import annotations

import re

from tests.growth_of_work import grows_evenly


def test_a_pattern_that_backtracks_is_told_from_one_that_does_not() -> None:
    """One looks at each character once, the other at all that follow it, again for each of them."""
    assert grows_evenly(lambda size: re.search(r"[ab]c", "a" * size), 20_000)
    assert not grows_evenly(lambda size: re.search(r"a+b", "a" * size), 2_000)
