"""What an objective is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from loadtest.metrics import PERCENTILES
from loadtest.objectives.names import PER_MESSAGE

_QUANTILES: Final = dict(PERCENTILES)


class Kind(StrEnum):
    """What an objective is about."""

    PERCENTILE = "percentile"
    RATIO = "ratio"
    COUNT = "count"


class Comparison(StrEnum):
    """How a value has to lie to the limit."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    EXACTLY = "=="

    def holds(self, value: float, limit: float) -> bool:
        """Whether `value` lies so to `limit`."""
        return {
            Comparison.BELOW: value < limit,
            Comparison.AT_MOST: value <= limit,
            Comparison.ABOVE: value > limit,
            Comparison.AT_LEAST: value >= limit,
            Comparison.EXACTLY: value == limit,
        }[self]

    @property
    def is_upper(self) -> bool:
        """Whether the limit is one from above."""
        return self in (Comparison.BELOW, Comparison.AT_MOST)


class Objective(Struct, frozen=True):
    """One demand on a run.

    Attributes:
        text: as people write it, such as `ack_delivered.p99 < 250ms`; reads back as the same objective.
        kind: what it is about.
        subject: key of the metric, the ratio or the count.
        statistic: `p50` to `p99_9` or `max`, as in `summary.json`; None of a ratio or count.
        comparison: how the value has to lie to the limit.
        limit: in `unit`; a ratio from 0 to 1.
        unit: `ms`, `chars/s`, `ratio` or `count`.
    """

    text: str
    kind: Kind
    subject: str
    statistic: str | None
    comparison: Comparison
    limit: float
    unit: str

    @property
    def name(self) -> str:
        """What it is about, as in `ack_delivered.p99`."""
        return f"{self.subject}.{shown(self.statistic)}" if self.statistic else self.subject

    def met_by(self, value: float) -> bool:
        """Whether a value meets it."""
        return self.comparison.holds(value, self.limit)

    @property
    def least(self) -> float:
        """The smallest value that meets it."""
        if self.comparison is Comparison.ABOVE:
            return self._next(math.inf)
        return -math.inf if self.comparison.is_upper else self.limit

    @property
    def most(self) -> float:
        """The largest value that meets it."""
        if self.comparison is Comparison.BELOW:
            return self._next(-math.inf)
        return self.limit if self.comparison in (Comparison.AT_MOST, Comparison.EXACTLY) else math.inf

    def _next(self, towards: float) -> float:
        if self.kind is Kind.COUNT:
            return self.limit + math.copysign(1, towards)
        return math.nextafter(self.limit, towards)


class Demands(Struct, frozen=True):
    """Everything that is asked of a run.

    Attributes:
        objectives: what it is held to at its end.
        abort_on: what ends it early, should it come true.
    """

    objectives: tuple[Objective, ...] = ()
    abort_on: tuple[Objective, ...] = ()


def quantile(each: Objective) -> float:
    """The quantile that it is about; 1 of `max`."""
    return _QUANTILES.get(each.statistic or "", 1.0)


def contradiction(objectives: Sequence[Objective]) -> tuple[Objective, Objective] | None:
    """Two that nothing can meet both; None where there are none.

    Of two percentiles of a metric, the lower cannot be above the higher.
    """
    for low in objectives:
        for high in objectives:
            same = low.subject == high.subject and quantile(low) <= quantile(high)
            if same and low.least > high.most:
                return low, high
    return None


def shown(statistic: str) -> str:
    """A percentile as people write it: `p99.9`."""
    return statistic.replace("_", ".")


def per_message_limits(objectives: Iterable[Objective]) -> dict[str, Objective]:
    """Metric to the objective whose limit each single message is held to, for goodput.

    Of several on one metric, it is the one on the highest percentile: half of the messages at best could keep the
    limit of a median.
    """
    limits: dict[str, Objective] = {}
    for each in objectives:
        if each.kind is Kind.PERCENTILE and each.subject in PER_MESSAGE:
            known = limits.get(each.subject)
            if known is None or quantile(each) > quantile(known):
                limits[each.subject] = each
    return limits
