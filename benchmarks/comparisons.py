"""Do verdicts on builds keep their promises? Run: python benchmarks/comparisons.py

Experiments are simulated from what runs are made of: a number of messages each (their quantiles by order statistics), a
speed of the run itself that all metrics share in part (placement, restart), now and then a slow run, and a drift of the
machine that pairs share. All of it goes through `loadtest.analysis.compare`. Seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import machine
from scipy.special import ndtri

from loadtest.analysis.compare import GATES, Comparison, Terms, Word, compare
from loadtest.analysis.pairs import Matched
from loadtest.analysis.sample import Sample

LATENCIES = {
    "ack_delivered.p95": (8.0, 0.5, 0.95),
    "ttft.p95": (400.0, 0.1, 0.95),
    "stream_completion.p95": (1200.0, 0.1, 0.95),
}
"""Median in ms, sigma of the logarithm of a message, and the quantile."""
LOSS = 0.0005
CHANGE = 1.10
PILOT = 8


@dataclass(frozen=True, slots=True)
class Noise:
    """How runs of one build differ.

    Attributes:
        run: standard deviation of the log speed of a run.
        tail: degrees of freedom of its t distribution, scaled to that standard deviation; 0 for a normal one.
        slow: chance that a run is slower by 15 % on top.
        drift: standard deviation of what the two runs of a pair share.
        messages: in a run.
    """

    name: str
    run: float
    tail: int = 0
    slow: float = 0.0
    drift: float = 0.05
    messages: int = 2_000

    def speed(self, rng: np.random.Generator) -> float:
        """Log of a run's own factor."""
        raw = rng.standard_t(self.tail) / np.sqrt(self.tail / (self.tail - 2)) if self.tail else rng.standard_normal()
        return self.run * raw + (np.log(1.15) if rng.random() < self.slow else 0.0)


NOISES = (
    Noise("quiet machine", 0.02),
    Noise("shared machine", 0.05),
    Noise("shared, heavy tails", 0.05, tail=5),
    Noise("one run in ten is slow", 0.03, slow=0.1),
    Noise("few messages", 0.03, messages=300),
)


def run(rng: np.random.Generator, noise: Noise, shared: float, factor: float) -> Sample:
    """One run of a build that is slower by a factor."""
    common, count = noise.speed(rng), noise.messages
    quantities = {}
    for key, (median, sigma, q) in LATENCIES.items():
        place = int(np.ceil(q * count))
        level = float(rng.beta(place, count - place + 1))
        own = 0.7 * common + np.sqrt(1 - 0.7**2) * noise.speed(rng)
        quantities[key] = median * factor * float(np.exp(shared + own + sigma * ndtri(level)))
    quantities["delivered_ratio"] = 1 - rng.binomial(count, LOSS) / count
    messages = {"delivered_ratio": count}
    return Sample("run", "2026-11-24", "valid", [], {}, 1, quantities, [], 120.0, messages, 60.0, {}, {})


def experiment(rng: np.random.Generator, noise: Noise, count: int, factor: float, is_paired: bool) -> Comparison:
    """So many pairs, or runs of a side."""
    base, candidate = [], []
    for _ in range(count):
        shared = noise.drift * rng.standard_normal() if is_paired else 0.0
        base.append(run(rng, noise, shared, 1.0))
        candidate.append(run(rng, noise, shared, factor))
    return compare(Matched(base, candidate, is_paired), Terms())


@dataclass(frozen=True, slots=True)
class Alarms:
    """A/A experiments: both sides are one build. Shares of the experiments."""

    noise: str
    pairs: int
    paired: bool
    experiments: int
    alarms: float
    """Any gate was said to have regressed or improved."""
    regressed: float
    t_below_5_percent: float
    """The plain t test of ack p95 alone, without margin and Holm."""
    exact_below_5_percent: float
    covered: float
    """Its 95 % interval held the true ratio of 1."""


@dataclass(frozen=True, slots=True)
class Found:
    """A true +10 % at the number of pairs that a pilot of 8 pairs recommends."""

    noise: str
    experiments: int
    recommended: float
    """Median of the pilots; the largest of the three latencies."""
    found: float
    """Ack p95 was said to have regressed."""
    covered: float
    """Its interval held the true ratio of 1.1."""


def alarms(noise: Noise, pairs: int, is_paired: bool, experiments: int) -> Alarms:
    """One row of false alarms."""
    seen = np.zeros((experiments, 5), np.bool_)
    for seed in range(experiments):
        result = experiment(np.random.default_rng([seed, pairs]), noise, pairs, 1.0, is_paired)
        words = [change.verdict for change in result.gated.values()]
        ack = result.metrics[GATES[0]]
        low, high = ack.ci95 or (0.0, 0.0)
        seen[seed] = (
            Word.REGRESSED in words or Word.IMPROVED in words,
            Word.REGRESSED in words,
            (ack.p or 0) <= 0.05,
            (ack.p_exact or 0) <= 0.05,
            low <= 1 <= high,
        )
    return Alarms(noise.name, pairs, is_paired, experiments, *np.round(seen.mean(axis=0), 4).tolist())


def found(noise: Noise, experiments: int) -> Found:
    """One row of power."""
    recommended, seen = [], np.zeros((experiments, 2), np.bool_)
    for seed in range(experiments):
        rng = np.random.default_rng([seed, 99])
        number = experiment(rng, noise, PILOT, 1.0, True).metrics[GATES[0]].new_pairs
        assert number is not None
        recommended.append(number)
        ack = experiment(rng, noise, number, CHANGE, True).metrics[GATES[0]]
        low, high = ack.ci95 or (0.0, 0.0)
        seen[seed] = ack.verdict is Word.REGRESSED, low <= CHANGE <= high
    return Found(noise.name, experiments, float(np.median(recommended)), *np.round(seen.mean(axis=0), 4).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=4_000)
    parser.add_argument("--json", help="file to write the tables to")
    options = parser.parse_args()
    jobs = [(noise, PILOT, True) for noise in NOISES]
    jobs += [(NOISES[2], *size) for size in ((6, True), (16, True), (8, False))]
    with ProcessPoolExecutor() as pool:
        print(f"{'A/A':25}{'runs a side':>12}{'alarms':>9}{'regressed':>11}{'t < 5 %':>9}{'exact':>8}{'covered':>9}")
        first = []
        for row in pool.map(alarms, *zip(*jobs, strict=True), [options.experiments] * len(jobs)):
            side = f"{row.pairs} {'pairs' if row.paired else 'runs'}"
            shares = (row.alarms, row.regressed, row.t_below_5_percent, row.exact_below_5_percent, row.covered)
            print(
                f"{row.noise:25}{side:>12}"
                + "".join(f"{100 * share:>{width}.1f}" for share, width in zip(shares, (9, 11, 9, 8, 9), strict=True)),
                flush=True,
            )
            first.append(asdict(row))
        print(f"\n{'true +10 % of ack p95':25}{'recommended':>12}{'found':>9}{'covered':>9}")
        second = []
        for row in pool.map(found, NOISES, [options.experiments] * len(NOISES)):
            print(f"{row.noise:25}{row.recommended:>12.0f}{100 * row.found:>9.1f}{100 * row.covered:>9.1f}", flush=True)
            second.append(asdict(row))
    if options.json:
        content = {"machine": machine(), "alarms": first, "power": second}
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
