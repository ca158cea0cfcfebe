"""``python -m benchmarks.verdicts``: how often a verdict is wrong when nothing changed, and how often it sees a change.

Simulated M/G/4 queues, seeded. First the methods one might use on single requests, then the verdict as it is built.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import NormalDist, median

from analyzerd.core.arms import LEAST_BUCKETS
from analyzerd.core.buckets import KEPT, Bucket
from analyzerd.core.resample import Dice, permutation_p
from analyzerd.core.verify import Judgement, Promise, Trial, judge_change
from analyzerd.model import Outcome
from benchmarks.queue_sim import SERVERS, Queue, buckets, times

PAGE = Path(__file__).parent.parent / "docs" / "verification.md"
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
SIZES = ((100, 0.5), (100, 0.85), (300, 0.85), (1000, 0.5), (1000, 0.85), (3000, 0.5), (3000, 0.85))
LOADS = (0.3, 0.5, 0.7, 0.85)
MORE_SERVERS = 6
LEVEL = 0.05
RESAMPLES = 200
WARM_BUCKETS = 4
MOST_BUCKETS = KEPT // 2
Method = Callable[[Sequence[float], Sequence[float], int], bool]


def main() -> int:
    options = _options()
    text = "\n".join([*_methods_table(options.times), "", *_verdicts_table(options.times)])
    print(text)
    if options.write:
        page = PAGE.read_text()
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="simulated changes per row (default %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    return parser.parse_args()


def progress(items: Sequence[int], label: str) -> Iterator[int]:
    """Yield the items and show on a terminal how far it is."""
    for number, item in enumerate(items, 1):
        yield item
        if sys.stderr.isatty():
            done = 30 * number // len(items)
            sys.stderr.write(f"\r{label:32} [{'#' * done}{' ' * (30 - done)}] {number}/{len(items)}")
    if sys.stderr.isatty():
        sys.stderr.write("\n")


# ---- methods on single requests -------------------------------------------------------------------------


def mann_whitney(before: Sequence[float], after: Sequence[float], _seed: int) -> bool:
    """Rank all requests as if they were independent."""
    both = sorted([(value, 0) for value in before] + [(value, 1) for value in after])
    n, m = len(before), len(after)
    ranks = sum(rank for rank, (_, side) in enumerate(both, 1) if side)
    z = (ranks - m * (n + m + 1) / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return 2 * NormalDist().cdf(-abs(z)) < LEVEL


def iid_bootstrap(before: Sequence[float], after: Sequence[float], seed: int) -> bool:
    """Draw single requests anew. The rank of a resample's p95 is binomial, so one draw stands for a resample."""
    dice, found = random.Random(seed), []
    sides = [sorted(side) for side in (before, after)]
    for _ in range(RESAMPLES):
        low, high = (side[_redrawn_rank(len(side), dice)] for side in sides)
        found.append(high - low)
    return _excludes_nothing(found)


def _redrawn_rank(n: int, dice: random.Random) -> int:
    rank = math.ceil(0.95 * n)
    return min(n - 1, int(dice.betavariate(rank, n - rank + 1) * n))


def block_bootstrap(before: Sequence[float], after: Sequence[float], seed: int) -> bool:
    """Draw twelfths of an arm anew."""
    dice, found = Dice(seed), []
    arms = [_parts(side) for side in (before, after)]
    for _ in range(RESAMPLES):
        low, high = (_p95([v for _ in arm for v in arm[dice.below(len(arm))]]) for arm in arms)
        found.append(high - low)
    return _excludes_nothing(found)


def bucket_permutation(before: Sequence[float], after: Sequence[float], seed: int) -> bool:
    """Exchange the p95 of twelfths."""
    low, high = ([_p95(part) for part in _parts(side)] for side in (before, after))
    return permutation_p(low, high, seed) < LEVEL


def bucket_mann_whitney(before: Sequence[float], after: Sequence[float], seed: int) -> bool:
    """Rank the p95 of twelfths."""
    low, high = ([_p95(part) for part in _parts(side)] for side in (before, after))
    return mann_whitney(low, high, seed)


def _parts(values: Sequence[float]) -> list[Sequence[float]]:
    size = len(values) // LEAST_BUCKETS
    return [values[n * size : (n + 1) * size] for n in range(LEAST_BUCKETS)]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, math.ceil(0.95 * len(values)) - 1)]


def _excludes_nothing(differences: list[float]) -> bool:
    differences.sort()
    cut = round(len(differences) * LEVEL / 2)
    return not differences[cut] <= 0 <= differences[-1 - cut]


METHODS: dict[str, Method] = {
    "Mann-Whitney raw": mann_whitney,
    "iid bootstrap p95": iid_bootstrap,
    "block bootstrap (12)": block_bootstrap,
    "bucket permutation (12)": bucket_permutation,
    "bucket Mann-Whitney (12)": bucket_mann_whitney,
}


def alarms(method: Method, n: int, rho: float, servers: int, seeds: Sequence[int]) -> float:
    """How often a method sees a difference when the servers go from four to ``servers``."""
    queue, seen = Queue.at(rho), 0
    for seed in seeds:
        arms = (queue, replace(queue, servers=servers))
        before, after = (times(arm, n, random.Random(seed + k * 10**6)) for k, arm in enumerate(arms))
        seen += method(before, after, seed + 1)
    return seen / len(seeds)


def _methods_table(n_times: int) -> Iterator[str]:
    yield f"False alarms with no change / power for {SERVERS} -> {MORE_SERVERS} workers, {n_times} simulated changes."
    yield ""
    yield f"| requests per arm | rho | {' | '.join(METHODS)} |"
    yield "|---" * (len(METHODS) + 2) + "|"
    for n, rho in SIZES:
        cells = []
        for name, method in METHODS.items():
            seeds = list(progress(range(n_times), f"n={n} rho={rho} {name}"[:32]))
            shares = [alarms(method, n, rho, servers, seeds) for servers in (SERVERS, MORE_SERVERS)]
            cells.append(" / ".join(f"{share:.2f}" for share in shares))
        yield f"| {n} | {rho} | {' | '.join(cells)} |"


# ---- the verdict as it is built -------------------------------------------------------------------------


def trial(queue: Queue, after: Queue, seed: int) -> tuple[Judgement, int]:
    """One change as the daemon lives it: half-minute by half-minute, until the verdict; and how many that took."""
    before = list(islice(buckets(queue, random.Random(seed)), MOST_BUCKETS))
    coming = islice(buckets(after, random.Random(seed + 10**6), MOST_BUCKETS * 30.0), WARM_BUCKETS, None)
    seen, looks = list[Bucket](), 0
    for bucket in coming:
        seen.append(bucket)
        found = judge_change(Promise(), Trial(before, seen, looks=looks, ended=len(seen) >= MOST_BUCKETS))
        looks = found.looks
        if found.final:
            return found, len(seen)
    raise AssertionError("a queue never ends")


def outcomes(rho: float, servers: int, seeds: Sequence[int]) -> tuple[Counter[Outcome], float]:
    """Verdicts on a change from four to ``servers`` at the same arrivals, and the median minutes until them."""
    queue, found, minutes = Queue.at(rho), Counter[Outcome](), []
    for seed in progress(seeds, f"rho={rho} {SERVERS} -> {servers} workers"):
        judgement, n = trial(queue, replace(queue, servers=servers), seed)
        found[judgement.outcome] += 1
        minutes.append(n / 2)
    return found, median(minutes)


def _verdicts_table(n_times: int) -> Iterator[str]:
    yield f"The verdict as it is built, D = 0.3 s, p95 promised to fall by 20 %, {n_times} simulated changes a row."
    yield ""
    yield "| rho | workers | better | no effect | worse | not decidable | median time to it |"
    yield "|---|---|---|---|---|---|---|"
    for rho in LOADS:
        for servers in (SERVERS, MORE_SERVERS, SERVERS - 1):
            if rho * SERVERS / servers >= 1:
                continue  # such a queue has no end: there is nothing to compare with
            found, minutes = outcomes(rho, servers, [2 * n + 1 for n in range(n_times)])
            words = (Outcome.BETTER, Outcome.NO_EFFECT, Outcome.WORSE, Outcome.UNDECIDED)
            shares = " | ".join(f"{found[word] / n_times:.3f}" for word in words)
            yield f"| {rho} | {SERVERS} -> {servers} | {shares} | {minutes:g} min |"


if __name__ == "__main__":
    sys.exit(main())
