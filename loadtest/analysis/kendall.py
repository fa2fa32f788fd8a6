"""Do values rise or fall in their order? Kendall's tau against the order, for series of a dozen.

`scipy.stats.kendalltau` says the same, but its import takes half a second and 50 MB, at the end of every run.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from loadtest.analysis.percentiles import Floats
from loadtest.runs.columns import Ints


def p_value(values: Floats) -> float:
    """The two-sided p-value of no trend.

    Exact without ties: of all orders that many values can have, the share that is as far from even (M. G. Kendall,
    "Rank Correlation Methods", 4th edition, 1970). With ties by the normal distribution, its variance less by what is
    tied.

    Args:
        values: finite, at least two. Shape n.
    """
    count = len(values)
    earlier, later = np.triu_indices(count, 1)
    rises = abs(int(np.sign(values[later] - values[earlier]).sum()))  # more than falls, or fewer
    _, tied = np.unique(values, return_counts=True)
    if len(tied) == count:
        orders = _orders_by_falls(count)
        extreme = orders[: (len(earlier) - rises) // 2 + 1].sum()
        return min(2 * float(extreme / orders.sum()), 1.0)
    variance = (_spread(np.array([count])) - _spread(tied)) / 18
    return 2 * float(special.ndtr(-rises / math.sqrt(variance))) if variance else 1.0


def _orders_by_falls(count: int) -> Floats:
    """Of how many orders of so many values each number of pairs falls."""
    orders = np.ones(1)
    for length in range(2, count + 1):  # one more value comes behind 0, 1 ... of the others
        orders = np.convolve(orders, np.ones(length))
    return orders


def _spread(sizes: Ints) -> int:
    return int((sizes * (sizes - 1) * (2 * sizes + 5)).sum())
