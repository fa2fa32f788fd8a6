"""What a run says to its objectives."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from loadtest.objectives import Objective


class Decision(StrEnum):
    """What is said of an objective, and of all of them."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Result(Struct, frozen=True):
    """One objective and what the run says to it.

    Attributes:
        objective: as it was given, such as `ack_delivered.p99 < 250ms`.
        name: what it is about, such as `ack_delivered.p99`.
        metric: key of the metric, the ratio or the count.
        statistic: `p50` to `p99_9` or `max`; null of ratios and counts.
        comparison: `<`, `<=`, `>`, `>=` or `==`.
        limit: in `unit`.
        unit: `ms`, `chars/s`, `ratio` (0 to 1) or `count`.
        verdict: `pass`, `fail` or `inconclusive`.
        samples: that it is judged by; 0 where the run measured nothing of it, null of a count.
        value: null where there is none, or where `beyond` says it in words.
        ci95: its 95 % interval within this run; null where there is none.
        ci95_from: lower end of an interval that reaches into the unanswered; `ci95` is null then.
        beyond: text for a value among the unanswered, such as `> 30 s`.
        missed: samples that do not keep the limit.
        needed: about how many samples would settle an inconclusive verdict; null where no number would.
    """

    objective: str
    name: str
    metric: str
    statistic: str | None
    comparison: str
    limit: float
    unit: str
    verdict: Decision
    samples: int | None = None
    value: float | None = None
    ci95: tuple[float, float] | None = None
    ci95_from: float | None = None
    beyond: str | None = None
    missed: int | None = None
    needed: int | None = None

    @property
    def unmeasured(self) -> bool:
        """Whether the run holds nothing that it could be judged by."""
        return self.value is None and not self.samples


class Goodput(Struct, frozen=True):
    """Messages that were of use: delivered, and within the limit of every per-message objective.

    Attributes:
        ratio: good of attempted, 0 to 1.
        ci95: its 95 % interval within this run.
        good: messages.
        attempted: headline messages intended in the steady window; errors, timeouts, losses and rejections count.
        per_s: good messages a second of the window.
        limits: metric to the objective whose limit each message is held to.
    """

    ratio: float
    ci95: tuple[float, float]
    good: int
    attempted: int
    per_s: float | None
    limits: dict[str, str]


class Objectives(Struct, frozen=True):
    """All objectives of a run.

    Attributes:
        verdict: `fail` if one is missed or the run was aborted; else `inconclusive` if one is; else `pass`.
        results: in the order in which they were given.
        goodput: null where no headline message was intended in the steady window.
        aborted: why `--abort-on` ended the run early; empty where it did not.
    """

    verdict: Decision
    results: tuple[Result, ...]
    goodput: Goodput | None
    aborted: str


def result(each: Objective, verdict: Decision, **found: Any) -> Result:
    return Result(
        each.text, each.name, each.subject, each.statistic, each.comparison, each.limit, each.unit, verdict, **found
    )
