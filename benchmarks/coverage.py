"""How often does the 95 % interval of a percentile cover the truth? Run: python benchmarks/coverage.py

Each replay is a run of 120 s whose true quantiles are known: independent latencies; a server with slow phases (AR(1) in
time); users of whom each has a speed of its own; freezes, in which everybody waits for the end. One is not normal, and
its truth is that of 2,000 replays together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from machine import machine
from scipy import signal, stats

from loadtest.analysis.intervals import Interval, quantile_intervals

QUANTILES = (0.5, 0.95, 0.99)
RUN_S = 120.0
NS = 1e9

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""Values and users of so many samples, in the order of time."""


def independent(rng: np.random.Generator, count: int, users: int = 200) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal(count), rng.integers(0, users, count)


def phases(rng: np.random.Generator, count: int, memory_s: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A part `share` of the variance is a state of the server that is forgotten at the rate 1 / `memory_s`."""
    keep = np.exp(-RUN_S / count / memory_s)
    shocks = rng.standard_normal(count) * np.sqrt(1 - keep**2)
    state = signal.lfilter([1.0], [1.0, -keep], shocks, zi=[keep * rng.standard_normal()])[0]
    own, users = independent(rng, count)
    return np.sqrt(share) * state + np.sqrt(1 - share) * own, users


def clusters(
    rng: np.random.Generator, count: int, number: int, share: float, unequal: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A part `share` of the variance is the user's; `unequal`: the k-th sends 1 / k of what the first does."""
    weights = 1 / np.arange(1, number + 1) if unequal else np.ones(number)
    users = rng.choice(number, count, p=weights / weights.sum())
    speed = rng.standard_normal(number)
    return np.sqrt(share) * speed[users] + np.sqrt(1 - share) * rng.standard_normal(count), users


def both(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A third of the variance is the server's with a memory of 0.3 s, a third the user's."""
    (state, _), (own, users) = phases(rng, count, 0.3, 1.0), clusters(rng, count, 200, 0.5)
    return np.sqrt(1 / 3) * state + np.sqrt(2 / 3) * own, users


def freezes(rng: np.random.Generator, count: int, every_s: float, mean_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Some ms, and the rest of the freeze for those who come in one."""
    at = np.arange(count) * RUN_S / count
    wait = np.zeros(count)
    for begin in rng.uniform(0, RUN_S, rng.poisson(RUN_S / every_s)):
        end = begin + rng.exponential(mean_s)
        part = slice(*np.searchsorted(at, [begin, end]))
        wait[part] = np.maximum(wait[part], end - at[part])
    own, users = independent(rng, count)
    return 0.01 * np.exp(0.5 * own) + wait, users


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of run; `normal`: its samples are standard normal, one by one."""

    name: str
    draw: Draw
    normal: bool = True

    def truth(self, count: int) -> np.ndarray:
        if self.normal:
            return stats.norm.ppf(QUANTILES)
        rng = np.random.default_rng(1_000_003)
        return np.quantile(np.concatenate([self.draw(rng, count)[0] for _ in range(2_000)]), QUANTILES)


CASES = (
    Case("independent", independent),
    Case("slow phases, 0.3 s, half", partial(phases, memory_s=0.3, share=0.5)),
    Case("slow phases, 1 s, half", partial(phases, memory_s=1.0, share=0.5)),
    Case("slow phases, 1 s, nearly all", partial(phases, memory_s=1.0, share=0.9)),
    Case("slow phases, 3 s, half", partial(phases, memory_s=3.0, share=0.5)),
    Case("slow phases, 10 s, half", partial(phases, memory_s=10.0, share=0.5)),
    Case("slow phases, 30 s, half", partial(phases, memory_s=30.0, share=0.5)),
    Case("200 users, a fifth", partial(clusters, number=200, share=0.2)),
    Case("200 users, half", partial(clusters, number=200, share=0.5)),
    Case("200 unequal users, half", partial(clusters, number=200, share=0.5, unequal=True)),
    Case("20 users, half", partial(clusters, number=20, share=0.5)),
    Case("10 users, a fifth", partial(clusters, number=10, share=0.2)),
    Case("200 users and phases of 0.3 s", both),
    Case("freezes, 0.1 s each 1 s", partial(freezes, every_s=1.0, mean_s=0.1), normal=False),
    Case("freezes, 0.3 s each 5 s", partial(freezes, every_s=5.0, mean_s=0.3), normal=False),
    Case("freezes, 1 s each 20 s", partial(freezes, every_s=20.0, mean_s=1.0), normal=False),
)


@dataclass(frozen=True, slots=True)
class Row:
    """For each of `QUANTILES`: intervals given, those that covered the truth, those that lay above it, and width."""

    case: str
    samples: int
    given: list[int]
    covered: list[int]
    above: list[int]
    median_width: list[float]


def coverage(case: Case, count: int, replays: int) -> Row:
    """One row of the table."""
    truth = case.truth(count)
    found = np.full((replays, len(QUANTILES), 2), np.nan)
    for seed in range(replays):
        rng = np.random.default_rng(seed)
        at = np.sort(rng.uniform(0.0, RUN_S, count)) if case.name == "independent" else np.arange(count) * RUN_S / count
        values, users = case.draw(rng, count)
        for place, interval in enumerate(quantile_intervals(values, (at * NS).astype(np.int64), users, QUANTILES)):
            if isinstance(interval, Interval):
                found[seed, place] = interval.low, interval.high
    low, high = found[..., 0], found[..., 1]
    given = ~np.isnan(low)
    width = np.nanmedian(np.where(given.any(axis=0), high - low, 0.0), axis=0)
    return Row(
        case.name,
        count,
        given.sum(axis=0).tolist(),
        ((low <= truth) & (truth <= high)).sum(axis=0).tolist(),
        (low > truth).sum(axis=0).tolist(),
        np.round(width, 6).tolist(),
    )


def cells(row: Row) -> list[str]:
    """What was covered of each quantile; a star where it is not 93 to 97 %."""
    return [
        f"{100 * covered / given:.1f} %{' ' if 0.93 <= covered / given <= 0.97 else '*'}" if given else "withheld "
        for covered, given in zip(row.covered, row.given, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2_000)
    parser.add_argument("--samples", type=int, nargs="+", default=[400, 4_000])
    parser.add_argument("--json", help="file to write the table to")
    options = parser.parse_args()
    print(f"{'case':31}{'samples':>8}" + "".join(f"{f'p{100 * q:g}':>10}" for q in QUANTILES) + "   * not 93 to 97 %")
    jobs = [(case, count) for count in options.samples for case in CASES]
    with ProcessPoolExecutor() as pool:
        rows = []
        for row in pool.map(coverage, *zip(*jobs, strict=True), [options.replays] * len(jobs)):
            print(f"{row.case:31}{row.samples:8,}" + "".join(f"{cell:>10}" for cell in cells(row)), flush=True)
            rows.append({name: getattr(row, name) for name in Row.__slots__})
    if options.json:
        content = {
            "machine": machine(),
            "quantiles": QUANTILES,
            "replays": options.replays,
            "run_s": RUN_S,
            "rows": rows,
        }
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
