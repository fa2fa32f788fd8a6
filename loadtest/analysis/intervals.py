"""95 % intervals of percentiles within one run, honest where samples depend on each other.

The interval of a quantile is that of the share of samples beyond it, read off the order statistics (R. S. Woodruff,
"Confidence intervals for medians and other position measures", JASA 47, 1952). The variance of that share is not the
binomial one: a server that is slow for some seconds makes neighbours slow together, and one user's messages resemble
each other. It is estimated from the sums of the indicator over blocks of time (batch means: C. Alexopoulos and
A. F. Seila, "Output data analysis", in Banks (ed.), Handbook of Simulation, 1998) and over users, combined as
time + user - independent (two-way clustering: Cameron, Gelbach, Miller, "Robust inference with multiway clustering",
Journal of Business and Economic Statistics 29, 2011). It becomes an effective number of samples, reduced once more for
the few blocks by Student's t, and the binomial distribution of that many gives the ranks (E. L. Korn, B. I. Graubard,
"Confidence intervals for proportions with small expected number of positive counts", Survey Methodology 24, 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from loadtest.analysis.percentiles import TAIL, Floats, rank
from loadtest.runs.columns import Ints

BLOCKS: Final = 8
"""Blocks of time: few, so that each outlasts what makes neighbours alike. The price is width, by Student's t.

Beyond p50, an interval keeps its promise only while the server forgets a slow phase within about a fourhundredth of the
measured time; `benchmarks/coverage.py` has the grid."""
BEYOND: Final = 5
"""Samples that have to lie beyond a quantile, in effect: with fewer, neither its variance nor its ranks are known."""
LEAST_INFLATION: Final = 0.1
"""Blocks that happen to hold equal shares show no variance at all. Of independent samples, an estimate with 7 degrees
of freedom falls below a tenth of the truth in 1 of 600 cases (chi-square), so less than that is taken for luck."""

Codes = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Interval:
    """In the unit of the values; +infinity where it reaches into the unanswered."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Withheld:
    """No interval.

    Attributes:
        samples_needed: at least so many, given how much these depend on each other.
    """

    samples_needed: int


def quantile_intervals(
    values: Floats, times_ns: Ints, users: Codes, quantiles: Sequence[float]
) -> list[Interval | Withheld]:
    """The interval of each quantile of one run's samples.

    Args:
        values: +infinity for the unanswered. Shape n.
        times_ns: the instant that each sample counts for. Shape n.
        users: a number for the user of each. Shape n.
        quantiles: each above 0 and below 1.
    """
    ordered = np.sort(values)
    if not len(ordered):
        return [Withheld(_least(q)) for q in quantiles]
    blocks, (_, users) = _blocks(times_ns), np.unique(users, return_inverse=True)
    return [_interval(values, ordered, blocks, users, q) for q in quantiles]


def _interval(values: Floats, ordered: Floats, blocks: Codes, users: Codes, q: float) -> Interval | Withheld:
    count = len(ordered)
    if count < _least(q):
        return Withheld(_least(q))
    at = ordered[rank(q, count)]
    beyond = (values > at) - np.mean(values > at)
    inflation, freedom = _inflation(beyond, blocks, users)
    effective = count / inflation * (stats.norm.ppf(TAIL) / stats.t.ppf(TAIL, freedom)) ** 2
    if effective * min(q, 1 - q) < BEYOND:
        return Withheld(int(np.ceil(BEYOND / min(q, 1 - q) * count / effective)))
    low, high = _shares(q, effective)
    return Interval(float(ordered[rank(low, count)]), float(ordered[min(rank(high, count) + 1, count - 1)]))


def _least(q: float) -> int:
    return int(np.ceil(round(BEYOND / min(q, 1 - q), 6)))


def _blocks(times_ns: Ints) -> Codes:
    """The block of each sample: blocks of equal length from the first instant to the last."""
    start, span = int(times_ns.min()), int(np.ptp(times_ns)) + 1
    return (times_ns - start) * BLOCKS // span


def _inflation(beyond: Floats, blocks: Codes, users: Codes) -> tuple[float, float]:
    """Variance of the sum of the indicator relative to that of independent samples, and its degrees of freedom.

    The degrees of freedom are those of a sum of variances (F. E. Satterthwaite, Biometrics Bulletin 2, 1946).
    """
    independent = float(beyond @ beyond)
    if independent == 0.0:
        return 1.0, BLOCKS - 1.0
    count = len(beyond)
    sums, members = np.bincount(users, beyond), int(users.max()) + 1
    by_time = float(np.sum(np.bincount(blocks, beyond) ** 2)) * BLOCKS / (BLOCKS - 1)
    by_user = float(np.sum(sums**2)) * members / (members - 1) if members > 1 else independent
    both = max(by_time + by_user - independent, min(by_time, by_user), LEAST_INFLATION * independent)
    spread = by_time**2 / (BLOCKS - 1) + (by_user**2 / (members - 1) if members > 1 else 0.0)
    return both / independent, min(max(both**2 / spread, 1.0), count - 1.0) if spread else BLOCKS - 1.0


def _shares(q: float, effective: float) -> tuple[float, float]:
    """The shares of samples below the ends: quantiles of the binomial with `effective` trials, continuous (beta)."""
    below = q * effective
    low = stats.beta.ppf(TAIL, below + 0.5, effective - below + 0.5)
    high = stats.beta.ppf(1 - TAIL, below + 0.5, effective - below + 0.5)
    return float(low), float(high)
