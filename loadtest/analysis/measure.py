"""From a distribution to the numbers of one metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.intervals import Interval, quantile_intervals
from loadtest.analysis.percentiles import required_samples
from loadtest.analysis.samples import Samples
from loadtest.analysis.values import MetricSummary
from loadtest.metrics import PERCENTILES

Intervals = Mapping[str, tuple[float, float]]

_DIGITS: Final = 6
"""Of milliseconds: whole nanoseconds."""


def measure(
    unit: str, distribution: Distribution, beyond: str, window: str = "steady", intervals: Intervals | None = None
) -> MetricSummary:
    """Count, mean, percentiles and extremes.

    Args:
        unit: of the distribution's values.
        beyond: what to print for +infinity, such as `> 30 s`.
        window: what the samples are over: `steady` or `run`.
        intervals: 95 % interval by percentile; null in the summary where there is none, or it reaches +infinity.
    """
    count = distribution.count
    if not count:
        return MetricSummary(unit, 0, window=window)
    known = {name: distribution.quantile(q) for name, q in PERCENTILES if count >= required_samples(q)}
    known |= {"max": float(distribution.values[-1]), "min": float(distribution.values[0])}
    finite: dict[str, Any] = {name: round(value, _DIGITS) for name, value in known.items() if np.isfinite(value)}
    mean = distribution.mean()
    return MetricSummary(
        unit=unit,
        count=count,
        mean=None if mean is None else round(mean, _DIGITS),
        ci95={name: (intervals or {}).get(name) if name in finite else None for name, _ in PERCENTILES},
        unanswered=distribution.unanswered,
        beyond={name: beyond for name in known if name not in finite},
        withheld={name: required_samples(q) for name, q in PERCENTILES if count < required_samples(q)},
        window=window,
        **finite,
    )


def intervals_of(unit: str, samples: Samples) -> Intervals:
    """The 95 % intervals of a metric's percentiles, in its unit, as far as they are given and finite."""
    scale = NS_PER_MS if unit == "ms" else 1.0
    found = quantile_intervals(samples.values, samples.at_ns, samples.users, [q for _, q in PERCENTILES])
    return {
        name: (round(interval.low / scale, _DIGITS), round(interval.high / scale, _DIGITS))
        for (name, _), interval in zip(PERCENTILES, found, strict=True)
        if isinstance(interval, Interval) and np.isfinite(interval.high)
    }
