"""How many pairs a new experiment takes, and what one of a given size can see.

A change counts as found when the verdict is `regressed`: the t test passes at the first and strictest step of Holm's
procedure, and the estimate is not within the margin. Mean and standard deviation of normal samples are independent, so
the chance is an integral over the distribution of the latter.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from msgspec import Struct
from scipy import optimize, special, stats

from loadtest.analysis.percentiles import Floats

POWER: Final = 0.8
_CAUTION: Final = 0.8
_STEPS: Final = 400
MOST: Final = 1_000
"""More pairs are never recommended: something else has to change first."""


class Test(Struct, frozen=True):
    """The test that is to find a change.

    Attributes:
        margin: as a log ratio.
        gates: how many metrics share the error of 5 %.
        paired: pairs, or as many unpaired runs on either side.
    """

    margin: float
    gates: int = 1
    paired: bool = True


def power(sd: float, count: int, change: float, test: Test) -> float:
    """The chance that a true change is found.

    Args:
        sd: standard deviation of the log ratio of a pair, or of the log of a run.
        count: pairs, or runs of a side.
        change: true log ratio, above 0.
    """
    degrees = count - 1 if test.paired else 2 * count - 2
    if degrees < 1:
        return 0.0
    error = sd * np.sqrt((1 if test.paired else 2) / count)
    if not error:
        return float(change >= test.margin)
    critical = float(special.stdtrit(degrees, 1 - 0.025 / test.gates)) * error
    return float(special.ndtr((change - np.maximum(test.margin, critical * _seen(degrees))) / error).mean())


def pairs_needed(sd: float, degrees: float, change: float, test: Test) -> int | None:
    """Pairs (or runs of a side) of a new experiment that finds a change with a power of 80 %; None above 1,000.

    The standard deviation of few pairs may be far too small by chance, so its upper 80 % limit is planned with (Browne,
    "On the use of a pilot sample for sample size determination", Statistics in Medicine 14, 1995).

    Args:
        sd: as seen, with so many degrees of freedom.
    """
    planned = sd * float(np.sqrt(degrees / stats.chi2.ppf(1 - _CAUTION, degrees)))
    if power(planned, MOST, change, test) < POWER:
        return None
    low, high = 1, MOST  # the first does not suffice, the last does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(planned, middle, change, test) >= POWER else (middle, high)
    return high


def smallest_seen(sd: float, count: int, test: Test) -> float | None:
    """The smallest true change, as a log ratio, that an experiment of this size finds with a power of 80 %."""
    largest = 5.0  # 150 times as slow
    if power(sd, count, largest, test) < POWER:
        return None
    if power(sd, count, test.margin, test) >= POWER:
        return test.margin
    return float(optimize.brentq(lambda change: power(sd, count, change, test) - POWER, test.margin, largest))


@cache
def _seen(degrees: int) -> Floats:
    """Standard deviations as samples will show them, each as likely, relative to the true one. Shape 400."""
    chances = (np.arange(_STEPS) + 0.5) / _STEPS
    return np.sqrt(np.asarray(stats.chi2.ppf(chances, degrees)) / degrees)
