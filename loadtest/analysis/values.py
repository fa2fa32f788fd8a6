"""The values of `summary.json`, schema 1: fields are added, never renamed or removed, within a schema number.

JSON has no infinity. A percentile that falls among unanswered messages is null, and `beyond` says so in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from loadtest.analysis.drift import Drift
from loadtest.analysis.generator import Generator
from loadtest.analysis.isolation import Isolation
from loadtest.analysis.limits.run import Limits
from loadtest.analysis.recovery import Recovery
from loadtest.analysis.rooms.values import Rooms
from loadtest.analysis.server import Server
from loadtest.analysis.slo.values import Objectives
from loadtest.analysis.window import Window
from loadtest.model import RunInfo

SCHEMA: Final = 1


class MetricSummary(Struct, frozen=True):
    """One metric over one set of samples.

    Attributes:
        unit: of all numbers here, as in `metrics.Metric`.
        count: samples, the unanswered included.
        mean: of the answered.
        max: null when some were never answered.
        ci95: 95 % interval within this run of each percentile; null where withheld.
        unanswered: samples that rank as +infinity.
        beyond: percentile or `max` to the text to print for its null: `> 30 s`, the reply timeout.
        withheld: percentile to the number of samples it would need; of clusters, where there are any.
        window: `steady`, or `run` for metrics of connections, which are over the whole run.
        ci95_from: percentile to the lower end of an interval that reaches into the unanswered; `ci95` is null there.
        clusters: messages or events that the samples are receipts of; null where each sample stands for itself.
    """

    unit: str
    count: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    min: float | None = None
    ci95: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    unanswered: int = 0
    beyond: dict[str, str] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    window: str = "steady"
    ci95_from: dict[str, float] = field(default_factory=dict)
    clusters: int | None = None


Metrics = dict[str, MetricSummary]
Counts = dict[str, int | None]


class Group(Struct, frozen=True):
    """Counts over the whole run and metrics over the steady window of some of the messages."""

    counts: Counts
    metrics: Metrics


class StepGroup(Struct, frozen=True):
    """What was intended while one step of a load shape was held.

    Attributes:
        number: 1, 2, ...
        users: that the step held.
        start_s, stop_s: from the end of its spawning to its own, seconds from the start of the run.
        counts: of all its messages.
        metrics: replies of its headline messages.
    """

    number: int
    users: int
    start_s: float
    stop_s: float
    counts: Counts
    metrics: Metrics


def has_samples(metrics: Metrics, populations: Mapping[str, Group]) -> bool:
    """Whether anything was measured."""
    groups = (metrics, *(group.metrics for group in populations.values()))
    return any(metric.count for group in groups for metric in group.values())


class Verdict(Struct, frozen=True):
    """Whether the numbers can be trusted.

    Attributes:
        status: `valid`, `suspect` or `invalid`.
        reasons: what speaks against it, gravest first, in words a person can act on.
    """

    status: str
    reasons: list[str]


class Ending(Struct, frozen=True):
    """Connections that ended in one way, and how many."""

    code: int
    reason: str
    by: str
    count: int


class Run(RunInfo, frozen=True, kw_only=True):
    """The facts of the run.

    Attributes:
        folder: name of the run folder.
        complete: false when the run was cut off, or still goes on.
        duration_s: from start to end of sending.
        window: the steady window.
    """

    folder: str
    complete: bool
    duration_s: float
    window: Window


class Summary(Struct, frozen=True):
    """One run in numbers.

    Attributes:
        counts: over the whole run; `unaccounted` is null where the run was cut off.
        metrics: over headline messages intended in the steady window, counted from sent; metrics of connections over
            the whole run.
        by_class: the same for the users of each class, whatever the population, without their queued messages.
        from_intended: replies of headline messages, counted from intended.
        populations: replies of the messages that are not headline: `limit`, `outage`, `queued`.
        connect_parts: what `connect` consists of: `tcp`, `proxy`, `tls`, `upgrade`, `auth`.
        steady: counts of the messages intended in the steady window.
        total: replies of headline messages over the whole run.
        rejected_ratio: of messages on the wire over whole limiter windows within the steady window, by user class; null
            where the window is shorter than a limiter window.
        timeouts, errors, losses: messages by reason.
        connect_failures: failed attempts to connect by outcome.
        login_failures: failed logins by outcome.
        disconnects: ends of authenticated connections, most frequent first.
        seen: what is worth a look among the protocol's counters, by name and key.
        shortest: replies of headline messages, as short as they can have been given what is known of their receive
            times; the headline itself is as long as they can have been.
        generator: how the load generator did, by process.
        drift: whether the run was stationary.
        notices: mistakes that were noticed while the run went on, each with its remedy.
        objectives: what the run says to what was asked of it; null where nothing was.
        rooms: whether members received each other's messages; null of a run without rooms.
        server: its own resources, where they could be seen.
        recovery: how connections were lost, and how users came back; null in files that know of none.
        limits: how the server kept the declared rate limit; null where nobody came near it.
        isolation: what users above the limit do to the latency of those within; null without `--abuse-period`.
        typing_isolation: what typing does to that latency; null without `--typing-period`, or where nobody typed.
        intruders: connects with bad tokens by what was bad and what came of it.
        invalid: messages that were invalid on purpose, by outcome and reason.
        by_step: the steps of a load shape; empty without one.
    """

    schema: int
    run: Run
    verdict: Verdict
    counts: Counts
    metrics: Metrics
    by_class: dict[str, Group]
    from_intended: Metrics
    populations: dict[str, Group]
    connect_parts: Metrics
    steady: Counts
    total: Metrics
    rejected_ratio: dict[str, float | None]
    timeouts: dict[str, int]
    errors: dict[str, int]
    losses: dict[str, int]
    connect_failures: dict[str, int]
    disconnects: list[Ending]
    seen: dict[str, dict[str, int]]
    shortest: Metrics
    generator: Generator
    drift: Drift
    notices: list[str] = field(default_factory=list)
    login_failures: dict[str, int] = {}
    objectives: Objectives | None = None
    rooms: Rooms | None = None
    server: Server | None = None
    recovery: Recovery | None = None
    limits: Limits | None = None
    isolation: Isolation | None = None
    intruders: dict[str, int] = {}
    invalid: dict[str, dict[str, int]] = {}
    by_step: list[StepGroup] = []
    typing_isolation: Isolation | None = None

    @property
    def empty(self) -> bool:
        """Whether no metric has a single sample."""
        return not has_samples(self.metrics, self.populations)
