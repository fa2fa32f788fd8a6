"""Exact percentiles, and how many samples one needs.

A percentile here is the inverse of the empirical distribution function (type 1 of Hyndman and Fan, "Sample quantiles in
statistical packages", 1996): the smallest sample that at least a share q of all samples does not exceed. It is always
one of the samples, so it may be +infinity, which is how an unanswered message ranks.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TAIL: Final = 0.025
"""Half of what a 95 % interval leaves out."""


def required_samples(q: float) -> int:
    """The fewest samples from which the q-quantile is reported.

    From that many on, the distribution-free 95 % interval of the quantile ends at a sample on either side: the chance
    that all n samples lie below the true quantile is q^n, that all lie above it (1-q)^n, and neither may exceed 2.5 %
    (David and Nagaraja, "Order Statistics", 3rd edition, section 7.1). 6 samples for p50, 36 for p90, 72 for p95, 368
    for p99, 3,688 for p99.9.

    Args:
        q: above 0 and below 1.
    """
    return math.ceil(math.log(TAIL) / math.log(max(q, 1 - q)))


def rank(q: float, count: int) -> int:
    """The 0-based place of the q-quantile among `count` sorted samples."""
    # The product is rounded first: 0.999 * 3000 is 2997.0000000000005 in binary, which would be one sample too far.
    return min(max(math.ceil(round(q * count, 6)) - 1, 0), count - 1)
