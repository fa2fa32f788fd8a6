"""This run beside the one before it: a description only; one run against one run decides nothing."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from loadtest.analysis.values import MetricSummary, Summary, Verdict
from loadtest.metrics import HEADLINE

PERCENTILES: Final = ("p50", "p95", "p99")


class PreviousRun(Struct, frozen=True):
    """The facts of an earlier run that its numbers are read with."""

    folder: str
    scenario: str
    host: str
    users: int | None
    labels: dict[str, str]


class Previous(Struct, frozen=True):
    """What is wanted of an earlier `summary.json`."""

    schema: int
    run: PreviousRun
    verdict: Verdict
    metrics: dict[str, MetricSummary]


class Change(Struct, frozen=True):
    """One percentile, then and now.

    Attributes:
        ratio: now by then.
        apart: whether the two 95 % intervals, each within its run, do not overlap; None where either is not known.
    """

    key: str
    percentile: str
    before: float
    now: float
    ratio: float
    apart: bool | None


def read_previous(content: bytes) -> Previous | None:
    """An earlier summary; None where it is none, or of another schema."""
    try:
        found = msgspec.json.decode(content, type=Previous)
    except msgspec.MsgspecError:
        return None
    return found if found.schema == 1 else None


def changes(previous: Previous, summary: Summary) -> list[Change]:
    """Of the headline, as far as both runs know it."""
    found = []
    for key in HEADLINE:
        for name in PERCENTILES:
            then, now = previous.metrics.get(key), summary.metrics[key]
            before, after = getattr(then, name, None), getattr(now, name)
            if then is not None and before and after:
                found.append(Change(key, name, before, after, after / before, _apart(then, now, name)))
    return found


def _apart(then: MetricSummary, now: MetricSummary, name: str) -> bool | None:
    one, other = then.ci95.get(name), now.ci95.get(name)
    if one is None or other is None:
        return None
    return one[1] < other[0] or other[1] < one[0]
