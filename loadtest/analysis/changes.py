"""Where a series shifted: E-divisive change points.

Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate data", JASA 109, 2014:
split where the energy distance between both sides is largest, keep the split if fewer than one in a hundred random
permutations of the segment reach as large a one, and go on within the parts. It is what MongoDB and Apache Otava find
regressions with (Daly et al., ICPE 2020); permutations are drawn from a fixed seed, so the same series gives the same
answer. Apache Otava has it, but pins numpy and brings clients of clouds; this is forty lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from loadtest.analysis.percentiles import Floats
from loadtest.runs.columns import Ints

SHORTEST: Final = 3
"""Values on either side of a change: fewer are an outlier."""
FEWEST: Final = 12
"""Values from which on `SHORTEST` of a new level are enough: twelve fall into three and nine in 220 ways, two of which
are as far apart as the best. That is fewer than one in a hundred, also of the permutations that are drawn; eleven do so
in 165."""
SIGNIFICANCE: Final = 0.01
PERMUTATIONS: Final = 499


def change_points(series: Sequence[float]) -> list[int]:
    """Indices at which a new level begins, ascending.

    Args:
        series: such as the log of a quantile, a value a night.
    """
    values = np.asarray(series, np.float64)
    found: list[int] = []
    _split(values, 0, len(values), found)
    return sorted(found)


def _split(values: Floats, start: int, stop: int, found: list[int]) -> None:
    count = stop - start
    if count < FEWEST:
        return
    rng = np.random.default_rng(0)  # afresh, so that a part is judged as it would be alone
    distances = np.abs(values[start:stop, None] - values[None, start:stop])
    scores = _scores(distances, np.arange(count))
    if scores.max() <= 0:
        return
    reached = sum(
        _scores(distances, rng.permutation(count)).max() >= scores.max() * (1 - 1e-9) for _ in range(PERMUTATIONS)
    )
    if (1 + reached) / (1 + PERMUTATIONS) > SIGNIFICANCE:
        return
    at = start + SHORTEST + int(scores.argmax())
    found.append(at)
    _split(values, start, at, found)
    _split(values, at, stop, found)


def _scores(distances: Floats, order: Ints) -> Floats:
    """The scaled energy distance of both sides, for each place of a split in some order. Shape n - 2 * SHORTEST + 1.

    Sums over sides come from sums over rectangles of the matrix, so that all splits cost as much as one.
    """
    count = len(order)
    sums = distances[np.ix_(order, order)].cumsum(axis=0).cumsum(axis=1)
    places = np.arange(SHORTEST, count - SHORTEST + 1)
    left = sums[places - 1, places - 1]
    across = sums[places - 1, count - 1] - left
    right = sums[-1, -1] - left - 2 * across
    n, m = places, count - places
    within = left / (n * (n - 1)) + right / (m * (m - 1))  # both orders of each pair are in the sums
    return np.asarray((n * m / count) * (2 * across / (n * m) - within))
