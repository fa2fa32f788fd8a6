"""How often does the 95 % interval of a percentile cover the truth? Run: python benchmarks/coverage.py

Each replay is a run of 120 s whose true quantiles are known: independent latencies, latencies that drift (AR(1) in
time), and users of whom each has a speed of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

import numpy as np
from scipy import stats

from loadtest.analysis.intervals import Interval, quantile_intervals

QUANTILES = (0.5, 0.95, 0.99)
RUN_S = 120.0
USERS = 200


def independent(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latencies of normal logarithm, instants (s) and users."""
    return rng.standard_normal(count), _instants(rng, count), rng.integers(0, USERS, count)


def drifting(memory_s: float, share: float) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A part `share` of the variance is a state of the server that is forgotten at the rate 1 / `memory_s`."""

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = _instants(rng, count)
        keep = np.exp(-np.diff(at) / memory_s)
        state = np.empty(count)
        state[0] = rng.standard_normal()
        shocks = rng.standard_normal(count - 1) * np.sqrt(1 - keep**2)
        for place in range(1, count):
            state[place] = keep[place - 1] * state[place - 1] + shocks[place - 1]
        own = rng.standard_normal(count)
        return np.sqrt(share) * state + np.sqrt(1 - share) * own, at, rng.integers(0, USERS, count)

    return draw


def clustered(share: float) -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A part `share` of the variance is a property of the user."""

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        users = rng.integers(0, USERS, count)
        speed = rng.standard_normal(USERS)
        own = rng.standard_normal(count)
        return np.sqrt(share) * speed[users] + np.sqrt(1 - share) * own, _instants(rng, count), users

    return draw


def _instants(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.sort(rng.uniform(0.0, RUN_S, count))


CASES = {
    "independent": independent,
    "drifting, 1 s, half": drifting(1.0, 0.5),
    "drifting, 1 s, nearly all": drifting(1.0, 0.9),
    "drifting, 3 s, half": drifting(3.0, 0.5),
    "users, a fifth": clustered(0.2),
    "users, half": clustered(0.5),
}


def coverage(draw: Callable[..., tuple[np.ndarray, ...]], count: int, replays: int) -> list[tuple[int, int]]:
    """For each quantile: intervals that covered the truth, and intervals given."""
    truth = stats.norm.ppf(QUANTILES)
    covered, given = np.zeros(len(QUANTILES), int), np.zeros(len(QUANTILES), int)
    for seed in range(replays):
        values, at, users = draw(np.random.default_rng(seed), count)
        found = quantile_intervals(values, (at * 1e9).astype(np.int64), users, QUANTILES)
        for place, interval in enumerate(found):
            if isinstance(interval, Interval):
                given[place] += 1
                covered[place] += interval.low <= truth[place] <= interval.high
    return list(zip(covered.tolist(), given.tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--samples", type=int, nargs="+", default=[1500, 4000])
    parser.add_argument("--json", help="file to write the table to")
    options = parser.parse_args()
    rows = []
    print(f"{'case':28}{'samples':>8}  " + "".join(f"{f'p{100 * q:g}':>18}" for q in QUANTILES))
    for name, draw in CASES.items():
        for count in options.samples:
            found = coverage(draw, count, options.replays)
            cells = [f"{100 * c / g:.1f} % of {g}" if g else "withheld" for c, g in found]
            print(f"{name:28}{count:8}  " + "".join(f"{cell:>18}" for cell in cells), flush=True)
            rows.append(
                {"case": name, "samples": count, "covered": [c for c, _ in found], "given": [g for _, g in found]}
            )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"quantiles": QUANTILES, "replays": options.replays, "rows": rows}, file, indent=1)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
