"""By how much each quantile moved from base to candidate: a picture beside the verdict, not the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.effect import paired, unpaired
from loadtest.analysis.percentiles import Floats, required_samples

GRID: Final = np.concatenate([np.arange(0.02, 0.90, 0.02), np.arange(0.90, 0.991, 0.01)])
"""Quantiles that are drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Of one metric.

    Attributes:
        metric: its key.
        quantiles: between 0 and 1. Shape n.
        ratio: candidate to base, of the geometric means over runs. Shape n.
        low, high: pointwise 95 % t interval; NaN without two runs a side. Shape n.
        each: ratio of each pair; none where runs are not pairs. Shape (pairs, n).
    """

    metric: str
    quantiles: Floats
    ratio: Floats
    low: Floats
    high: Floats
    each: Floats


def shift(key: str, base: Sequence[Distribution], candidate: Sequence[Distribution], *, are_pairs: bool) -> Shift:
    """The shift of a metric, of the distributions of the runs on either side; those of a pair at the same place.

    Quantiles for which a run has too few samples, or which lie among the unanswered, are left out.
    """
    fewest = min(part.count for part in (*base, *candidate))
    quantiles = np.array([q for q in GRID if fewest >= required_samples(float(q))])
    first, second = (
        np.array([[part.quantile(float(q)) for q in quantiles] for part in side]) for side in (base, candidate)
    )
    known = np.all(np.isfinite(first) & (first > 0), axis=0) & np.all(np.isfinite(second) & (second > 0), axis=0)
    logs = [np.log(side[:, known]) for side in (first, second)]
    effects = [
        paired((logs[1][:, place] - logs[0][:, place]).tolist())
        if are_pairs
        else unpaired(logs[0][:, place].tolist(), logs[1][:, place].tolist())
        for place in range(logs[0].shape[1])
    ]
    ends = [[np.nan if end is None else end for end in (effect.low, effect.high)] for effect in effects]
    low, high = np.exp(np.array(ends, np.float64).reshape(-1, 2).T)
    return Shift(
        key,
        quantiles[known],
        np.exp(np.array([effect.mean for effect in effects], np.float64)),
        low,
        high,
        np.exp(logs[1] - logs[0]) if are_pairs else np.empty((0, len(effects))),
    )
