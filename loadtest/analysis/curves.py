"""Latency against percentile, as points to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.intervals import Interval, Withheld, counted_intervals, quantile_intervals
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import Floats
from loadtest.metrics import BY_KEY, PERCENTILES

_POINTS: Final = 400
_TOLD: Final = tuple(q for _, q in PERCENTILES)
_BANDED: Final = tuple(np.union1d(1 - 1 / np.geomspace(1.05, 1_000, 30), [*_TOLD, 0.75]).tolist())
"""Quantiles with an interval: evenly on the axis of 1 / (1 - q), and those of tables."""
_BEYOND: Final = -math.log(0.025)
"""Samples beyond the last quantile that has a 95 % interval: q^n = 2.5 % at n (1 - q) = 3.7 (`percentiles`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The intervals of some quantiles of a curve, as in `intervals`.

    Attributes:
        tails: 1 / (1 - q) of each. Shape m.
        low, high: the ends, in the unit of the curve; +infinity where they reach into the unanswered. Shape m.
    """

    tails: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The quantile function of one metric of one run.

    Attributes:
        metric: its key.
        tails: 1 / (1 - q) of each point, ascending from 1 to the number of samples, where they end. Shape n.
        values: the quantile at each point, ms or the metric's own unit; the largest sample at the last one; +infinity
            from where the unanswered begin. Shape n.
        count: samples, the unanswered included.
        unanswered: samples that rank as +infinity.
        firm: 1 / (1 - q) of the last quantile that has a 95 % interval.
        band: 95 % intervals within the run; None where none is known.
    """

    metric: str
    tails: Floats
    values: Floats
    count: int
    unanswered: int
    firm: float
    band: Band | None = None


def curves(measured: Measured, keys: Sequence[str]) -> list[Curve]:
    """The curves of some metrics, over the set that the summary measures; none for a metric without samples."""
    found = (_curve(measured, key) for key in keys)
    return [each for each in found if each is not None]


def _curve(measured: Measured, key: str) -> Curve | None:
    samples = measured.samples(key)
    if samples is None:
        parts = measured.counts(key)
        distribution = Distribution.of_counts(parts)
        intervals = counted_intervals(parts, _BANDED, distribution)
    else:
        values = samples.values / NS_PER_MS if BY_KEY[key].unit == "ms" else samples.values
        distribution = Distribution.of(values)
        intervals = quantile_intervals(values, samples.at_ns, samples.users, _BANDED, distribution, samples.clusters)
    return curve(key, distribution, _band(intervals)) if distribution.count else None


def _band(intervals: Sequence[Interval | Withheld]) -> Band | None:
    """Up to the last quantile that tables give an interval of: beyond it too few samples are left."""
    found = [(q, each) for q, each in zip(_BANDED, intervals, strict=True) if isinstance(each, Interval)]
    last = max((q for q, _ in found if q in _TOLD), default=0.0)
    known = [(1 / (1 - q), each) for q, each in found if q <= last and math.isfinite(each.low)]
    if not known:
        return None
    return Band(
        np.array([tail for tail, _ in known]),
        np.array([each.low for _, each in known]),
        np.array([each.high for _, each in known]),
    )


def curve(key: str, distribution: Distribution, band: Band | None = None) -> Curve:
    """The curve of a distribution with samples, at so many points that the eye sees no corner."""
    count = distribution.count
    tails = np.unique(
        np.append(np.geomspace(1.0, count, min(_POINTS, 4 * count)), count / max(distribution.unanswered, 1))
    )
    # rounded first, like `percentiles.rank`: a quantile must not move one sample on for the last bit of a product
    ranks = np.ceil(np.round((1 - 1 / tails) * count, 6)).astype(np.int64) - 1
    ranks[-1] = count - 1
    values = distribution.at(np.clip(ranks, 0, count - 1))
    return Curve(key, tails, values, count, distribution.unanswered, max(count / _BEYOND, 1.0), band)
