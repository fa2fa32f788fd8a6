"""From a distribution to the numbers of one metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.intervals import Interval, Withheld, counted_intervals, quantile_intervals
from loadtest.analysis.percentiles import required_samples
from loadtest.analysis.samples import Samples
from loadtest.analysis.values import MetricSummary
from loadtest.metrics import PERCENTILES
from loadtest.model import Counts

Intervals = Mapping[str, tuple[float, float]]

_QUANTILES: Final = tuple(q for _, q in PERCENTILES)
_DIGITS: Final = 6
"""Of milliseconds: whole nanoseconds."""


def measure(
    unit: str,
    distribution: Distribution,
    beyond: str,
    window: str = "steady",
    intervals: Intervals | None = None,
    clusters: int | None = None,
) -> MetricSummary:
    """Count, mean, percentiles and extremes.

    Args:
        unit: of the distribution's values.
        beyond: what to print for +infinity, such as `> 30 s`.
        window: what the samples are over: `steady` or `run`.
        intervals: 95 % interval by percentile; its upper end may be +infinity.
        clusters: as of `Samples`: a percentile needs so many as it would need samples.
    """
    count = distribution.count
    if not count:
        return MetricSummary(unit, 0, window=window)
    independent = count if clusters is None else clusters
    known = {name: distribution.quantile(q) for name, q in PERCENTILES if independent >= required_samples(q)}
    known |= {"max": float(distribution.values[-1]), "min": float(distribution.values[0])}
    finite: dict[str, Any] = {name: round(value, _DIGITS) for name, value in known.items() if np.isfinite(value)}
    mean, intervals = distribution.mean(), intervals or {}
    ends = {
        name: (round(low, _DIGITS), round(high, _DIGITS)) for name, (low, high) in intervals.items() if low < np.inf
    }
    return MetricSummary(
        unit=unit,
        count=count,
        mean=None if mean is None else round(mean, _DIGITS),
        ci95={name: ends[name] if name in ends and ends[name][1] < np.inf else None for name, _ in PERCENTILES},
        unanswered=distribution.unanswered,
        beyond={name: beyond for name in known if name not in finite},
        withheld={name: required_samples(q) for name, q in PERCENTILES if independent < required_samples(q)},
        window=window,
        ci95_from={name: low for name, (low, high) in ends.items() if high == np.inf},
        clusters=clusters,
        **finite,
    )


def of_samples(unit: str, samples: Samples, beyond: str, window: str = "steady") -> MetricSummary:
    """The numbers of a metric whose samples are kept one by one, ns where it is a time; the arguments are those of
    `measure`."""
    values = samples.values / NS_PER_MS if unit == "ms" else samples.values
    distribution = Distribution.of(values)
    found = quantile_intervals(values, samples.at_ns, samples.users, _QUANTILES, distribution, samples.clusters)
    return measure(unit, distribution, beyond, window, _by_name(found), samples.clusters)


def of_counts(unit: str, parts: Sequence[Counts], beyond: str) -> MetricSummary:
    """The numbers of a metric that is kept as additive counts."""
    distribution = Distribution.of_counts(parts)
    return measure(unit, distribution, beyond, "steady", _by_name(counted_intervals(parts, _QUANTILES, distribution)))


def _by_name(found: Sequence[Interval | Withheld]) -> Intervals:
    return {
        name: (interval.low, interval.high)
        for (name, _), interval in zip(PERCENTILES, found, strict=True)
        if isinstance(interval, Interval)
    }
