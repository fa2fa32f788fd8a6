"""From an interval to a decision, and to the number of samples that one would take."""

from __future__ import annotations

import math
from typing import Final

from loadtest.analysis.intervals import Interval
from loadtest.analysis.slo.values import Decision
from loadtest.objectives import Objective

FARTHEST: Final = 1e8
"""More samples than this settle nothing for anybody."""


def by_interval(each: Objective, interval: Interval) -> Decision:
    ends = {each.met_by(interval.low), each.met_by(interval.high)}
    return Decision.INCONCLUSIVE if len(ends) == 2 else Decision.PASS if True in ends else Decision.FAIL


def needs(count: int, half_width: float, distance: float) -> int | None:
    """Samples until an interval has shrunk to a distance: it does with the root of their number."""
    if distance <= 0:
        return None
    needed = math.ceil(count * max((half_width / distance) ** 2, 1.0)) + 1
    return needed if needed <= FARTHEST else None
