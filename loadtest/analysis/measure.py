"""From samples to the numbers of one metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from loadtest import histogram
from loadtest.analysis.percentiles import quantile, required_samples
from loadtest.analysis.samples import Samples
from loadtest.analysis.values import MetricSummary
from loadtest.metrics import PERCENTILES, Metric
from loadtest.model import Counts

_NS_PER_MS = 1e6
_DIGITS = 6
"""Of milliseconds: whole nanoseconds."""


def measure(metric: Metric, samples: Samples, beyond: str, window: str = "steady") -> MetricSummary:
    """Count, mean, percentiles and extremes of samples.

    Args:
        beyond: what to print for +infinity, such as `> 30 s`.
        window: what the samples are over: `steady` or `run`.
    """
    if not len(samples):
        return MetricSummary(metric.unit, 0, window=window)
    ordered = np.sort(samples.values) / (_NS_PER_MS if metric.unit == "ms" else 1.0)
    answered = int(np.searchsorted(ordered, np.inf))
    percentiles = {name: quantile(ordered, q) for name, q in PERCENTILES if len(ordered) >= required_samples(q)}
    extremes = percentiles | {"max": float(ordered[-1])}
    finite: dict[str, Any] = {name: round(value, _DIGITS) for name, value in extremes.items() if np.isfinite(value)}
    return MetricSummary(
        unit=metric.unit,
        count=len(ordered),
        mean=round(float(ordered[:answered].mean()), _DIGITS) if answered else None,
        min=round(float(ordered[0]), _DIGITS) if answered else None,
        ci95={name: None for name, _ in PERCENTILES},
        unanswered=len(ordered) - answered,
        beyond={name: beyond for name in extremes if name not in finite},
        withheld=_withheld(len(ordered)),
        window=window,
        **finite,
    )


def measure_counts(metric: Metric, parts: Iterable[Counts]) -> MetricSummary:
    """The same from additive counts: within 0.1 % of the exact values (see `histogram`)."""
    buckets, counts = histogram.merge((part.buckets, part.counts) for part in parts)
    total = int(counts.sum())
    if not total:
        return MetricSummary(metric.unit, 0)
    middles = histogram.value_of(buckets) / _NS_PER_MS
    percentiles: dict[str, Any] = {
        name: round(histogram.quantile(buckets, counts, q) / _NS_PER_MS, _DIGITS)
        for name, q in PERCENTILES
        if total >= required_samples(q)
    }
    return MetricSummary(
        unit=metric.unit,
        count=total,
        mean=round(float(middles @ counts) / total, _DIGITS),
        min=round(float(middles[0]), _DIGITS),
        max=round(float(middles[-1]), _DIGITS),
        ci95={name: None for name, _ in PERCENTILES},
        withheld=_withheld(total),
        **percentiles,
    )


def _withheld(count: int) -> dict[str, int]:
    return {name: required_samples(q) for name, q in PERCENTILES if count < required_samples(q)}
