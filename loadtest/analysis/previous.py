"""This run beside the one before it: a description only; one run against one run decides nothing."""

from __future__ import annotations

import math

import msgspec
from msgspec import Struct

from loadtest.analysis.intervals import share_ends
from loadtest.analysis.sample import QUANTITIES, RATIOS, Quantity, sample, shares, unlike
from loadtest.analysis.values import SCHEMA, MetricSummary, Summary
from loadtest.metrics import HEADLINE, Better


class Difference(Struct, frozen=True):
    """One quantity, then and now.

    Attributes:
        before, now: in its unit; +infinity where it lies among the unanswered.
        apart: whether the two 95 % intervals, each within its run, do not overlap; None where either is not known.
    """

    quantity: Quantity
    before: float
    now: float
    apart: bool | None

    @property
    def ratio(self) -> float:
        """Now to then; 1 where both lie among the unanswered, +infinity where it came from 0."""
        if self.before == self.now:
            return 1.0
        return self.now / self.before if self.before else math.inf

    @property
    def worse(self) -> bool:
        """Whether it went the bad way."""
        return self.ratio != 1 and (self.ratio > 1) is (self.quantity.better is Better.LOWER)

    @property
    def size(self) -> float:
        """Of the change, whichever way."""
        return abs(math.log(self.ratio)) if 0 < self.ratio < math.inf else math.inf


def previous_run(content: bytes, summary: Summary) -> Summary | None:
    """An earlier summary; None where it is none, of another schema, or of another load: of that nothing can be said."""
    try:
        found = msgspec.json.decode(content, type=Summary)
    except msgspec.MsgspecError:
        return None
    return None if found.schema != SCHEMA or unlike(sample(found), sample(summary), generator=False) else found


def differences(previous: Summary, summary: Summary) -> list[Difference]:
    """Of the headline and of what was lost, as far as both runs know it."""
    found = [
        Difference(what, before, now, _apart(_interval(then, key), _interval(here, key)))
        for key, what in QUANTITIES.items()
        if what.metric in HEADLINE
        and (before := _value(then := previous.metrics[what.metric], key)) is not None
        and (now := _value(here := summary.metrics[what.metric], key)) is not None
    ]
    earlier, own = shares(previous), shares(summary)
    for key in (key for key in RATIOS if key in earlier and key in own):
        (part, whole), (own_part, own_whole) = earlier[key], own[key]
        apart = _apart(share_ends(part, whole - part), share_ends(own_part, own_whole - own_part))
        found.append(Difference(QUANTITIES[key], part / whole, own_part / own_whole, apart))
    return found


def _value(metric: MetricSummary, key: str) -> float | None:
    name = key.partition(".")[2]
    return math.inf if name in metric.beyond else getattr(metric, name) or None


def _apart(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool | None:
    if one is None or other is None:
        return None
    return one[1] < other[0] or other[1] < one[0]


def _interval(metric: MetricSummary, key: str) -> tuple[float, float] | None:
    """Open at its end where it reaches into the unanswered."""
    name = key.partition(".")[2]
    if name in metric.ci95_from:
        return metric.ci95_from[name], math.inf
    return (math.inf, math.inf) if name in metric.beyond else metric.ci95.get(name)
