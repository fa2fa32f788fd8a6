"""From a distribution to the numbers of one metric."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.percentiles import required_samples
from loadtest.analysis.values import MetricSummary
from loadtest.metrics import PERCENTILES

_DIGITS: Final = 6
"""Of milliseconds: whole nanoseconds."""


def measure(unit: str, distribution: Distribution, beyond: str, window: str = "steady") -> MetricSummary:
    """Count, mean, percentiles and extremes.

    Args:
        unit: of the distribution's values.
        beyond: what to print for +infinity, such as `> 30 s`.
        window: what the samples are over: `steady` or `run`.
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
        ci95={name: None for name, _ in PERCENTILES},
        unanswered=distribution.unanswered,
        beyond={name: beyond for name in known if name not in finite},
        withheld={name: required_samples(q) for name, q in PERCENTILES if count < required_samples(q)},
        window=window,
        **finite,
    )
