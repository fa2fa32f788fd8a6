"""Latency against percentile, as points to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.analysis.distribution import Distribution
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import Floats

_POINTS: Final = 400
_BEYOND: Final = -math.log(0.025)
"""Samples beyond the last quantile that has a 95 % interval: q^n = 2.5 % at n (1 - q) = 3.7 (`percentiles`)."""


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
    """

    metric: str
    tails: Floats
    values: Floats
    count: int
    unanswered: int
    firm: float


def curves(measured: Measured, keys: Sequence[str]) -> list[Curve]:
    """The curves of some metrics, over the set that the summary measures; none for a metric without samples."""
    found = ((key, measured.distribution(key)) for key in keys)
    return [curve(key, distribution) for key, distribution in found if distribution.count]


def curve(key: str, distribution: Distribution) -> Curve:
    """The curve of a distribution with samples, at so many points that the eye sees no corner."""
    count = distribution.count
    tails = np.unique(
        np.append(np.geomspace(1.0, count, min(_POINTS, 4 * count)), count / max(distribution.unanswered, 1))
    )
    # rounded first, like `percentiles.rank`: a quantile must not move one sample on for the last bit of a product
    ranks = np.ceil(np.round((1 - 1 / tails) * count, 6)).astype(np.int64) - 1
    ranks[-1] = count - 1
    values = distribution.at(np.clip(ranks, 0, count - 1))
    return Curve(key, tails, values, count, distribution.unanswered, max(count / _BEYOND, 1.0))
