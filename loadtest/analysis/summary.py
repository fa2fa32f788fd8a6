"""One run in numbers: the fold of its records into `values.Summary`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from loadtest.analysis import ledger
from loadtest.analysis.drift import drift
from loadtest.analysis.finding import Evidence
from loadtest.analysis.generator import generator
from loadtest.analysis.isolation import isolation, typing_isolation
from loadtest.analysis.limits import judge_limits
from loadtest.analysis.measure import of_counts, of_samples
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import Records
from loadtest.analysis.recovery import recovery
from loadtest.analysis.rooms.metrics import counts as room_counts
from loadtest.analysis.samples import EVENTS, OF_OUTAGES, REPLIES, Basis, connect_part
from loadtest.analysis.seen import seen
from loadtest.analysis.server import server
from loadtest.analysis.slo.evaluate import evaluate
from loadtest.analysis.values import SCHEMA, Group, Metrics, MetricSummary, Run, StepGroup, Summary
from loadtest.analysis.verdict import judge
from loadtest.analysis.window import Window
from loadtest.metrics import BY_KEY, METRICS
from loadtest.model import PREFLIGHT, Outcome, Population
from loadtest.objectives import Objective
from loadtest.runs.columns import MISSING, Bools, Ints

_THREADS: Final = 2
_APART: Final = (Population.QUEUED, Population.INVALID)
"""In no numbers of their class."""
CONNECT_PARTS = ("tcp", "proxy", "tls", "upgrade", "auth")


def summarize(measured: Measured, demanded: Sequence[Objective] = ()) -> Summary:
    """Counts, metrics and verdict of one run.

    Args:
        demanded: what it is held to.
    """
    records, fold = measured.records, _Fold(measured)
    messages = records.messages
    rooms, limits = measured.rooms.summary, judge_limits(records)
    counts, steady = (
        ledger.count(records, limits) | room_counts(records, rooms),
        ledger.message_counts(messages, measured.steady),
    )
    metrics, populations = fold.metrics(), fold.populations()
    from_intended = fold.replies(measured.headline, basis=Basis.INTENDED)
    shortest = fold.replies(measured.headline, basis=Basis.SHORTEST)
    promised = (metrics, from_intended, shortest)
    if not measured.headline.any():  # what is shown then is of other users, and is held to the same
        promised = (
            fold.replies(measured.steady),
            fold.replies(measured.steady, basis=Basis.INTENDED),
            fold.replies(measured.steady, basis=Basis.SHORTEST),
        )
    failures = ledger.connect_failures(records)
    own, trend = generator(records, measured.window), drift(measured)
    evidence = Evidence(records, counts, steady, metrics, *promised, populations, failures, own, trend)
    return Summary(
        schema=SCHEMA,
        run=_run(records, measured.window),
        verdict=judge(evidence),
        counts=counts,
        metrics=metrics,
        by_class=fold.classes(),
        from_intended=from_intended,
        populations=populations,
        connect_parts={part: fold.connect_part(part) for part in CONNECT_PARTS},
        steady=steady,
        total=fold.replies(measured.of_population(Population.HEADLINE)),
        rejected_ratio=_rejected_ratio(records, measured.window),
        timeouts=ledger.reasons(messages, Outcome.TIMEOUT),
        errors=ledger.reasons(messages, Outcome.ERROR),
        losses=ledger.reasons(messages, Outcome.LOST),
        connect_failures=failures,
        disconnects=ledger.endings(records),
        seen=seen(records),
        shortest=shortest,
        generator=own,
        drift=trend,
        notices=list(records.notices),
        login_failures=ledger.login_failures(records),
        objectives=evaluate(demanded, measured, metrics, counts),
        rooms=rooms,
        server=server(records, measured.window),
        recovery=recovery(records, measured.rooms),
        limits=limits,
        isolation=isolation(measured),
        intruders=ledger.intruders(records),
        invalid={outcome: found for outcome in Outcome if (found := ledger.reasons(messages, outcome, invalid=True))},
        by_step=fold.steps(),
        typing_isolation=typing_isolation(measured),
    )


class _Fold:
    """Metrics over parts of one measured set."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._messages = measured.records.messages
        self._beyond = f"> {measured.records.info.reply_timeout_s:g} s"

    def metrics(self) -> Metrics:
        """Every metric over the headline; what has no samples is there with a count of 0."""
        return self._each([metric.key for metric in METRICS])

    def replies(self, part: Bools, *, basis: Basis = Basis.SENT) -> Metrics:
        """Metrics of replies over some messages."""
        rows = np.flatnonzero(part)
        return self._each(REPLIES, rows, basis=basis)

    def populations(self) -> dict[str, Group]:
        """Those that are not the headline and may be answered, as far as the run has any."""
        groups = {}
        for population in (Population.LIMIT, Population.OUTAGE, Population.QUEUED):
            part = self._measured.of_population(population)
            if part.any():
                counts = ledger.message_counts(self._messages, part)
                groups[str(population)] = Group(counts, self.replies(part & self._measured.steady))
        return groups

    def classes(self) -> dict[str, Group]:
        """Users by class."""
        connects = self._measured.records.connects
        names = {connect.user_class for connect in connects} | set(self._messages.user_class.counts())
        return {name: self._class(name) for name in sorted(filter(None, names - {PREFLIGHT}))}

    def steps(self) -> list[StepGroup]:
        """Replies by step of the load shape: all of a step counts, since it begins when its users are there."""
        measured, intended, found = self._measured, self._messages.intended_ns, []
        origin = measured.records.info.started_ns
        for step in measured.records.steps:
            part = (intended >= step.began_ns) & (intended < step.ended_ns)
            found.append(
                StepGroup(
                    number=step.number,
                    users=step.users,
                    start_s=round((step.began_ns - origin) / 1e9, 3),
                    stop_s=round((step.ended_ns - origin) / 1e9, 3),
                    counts=ledger.message_counts(self._messages, part),
                    metrics=self.replies(part & measured.of_population(Population.HEADLINE)),
                )
            )
        return found

    def connect_part(self, name: str) -> MetricSummary:
        """A part of `connect`."""
        return of_samples("ms", connect_part(self._measured.records, name), self._beyond, "run")

    def _class(self, name: str) -> Group:
        measured, messages = self._measured, self._messages
        own = messages.user_class.is_in(name)
        part = own & measured.steady & ~messages.population.is_in(*_APART)
        rows = np.flatnonzero(part)
        metrics = self._each([metric.key for metric in METRICS], rows, user_class=name)
        return Group(ledger.message_counts(self._messages, own), metrics)

    def _each(self, keys: Iterable[str], rows: Ints | None = None, **how: Any) -> Metrics:
        """Metrics by key: two at a time, since numpy works without the interpreter's lock."""
        keys = list(keys)
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(keys, pool.map(lambda key: self._measure(key, rows, **how), keys), strict=True))

    def _measure(
        self, key: str, rows: Ints | None = None, *, basis: Basis = Basis.SENT, user_class: str | None = None
    ) -> MetricSummary:
        """A metric over some messages; what is kept as counts is not known of a class, and has a count of 0 there."""
        unit = BY_KEY[key].unit
        samples = self._measured.samples(key, rows, basis=basis, user_class=user_class)
        if samples is None:
            return of_counts(unit, [] if user_class else self._measured.counts(key), self._beyond)
        beyond = "never" if key in OF_OUTAGES else self._beyond
        return of_samples(unit, samples, beyond, "run" if key in EVENTS else "steady")


def _run(records: Records, window: Window) -> Run:
    facts = {name: getattr(records.info, name) for name in records.info.__struct_fields__}
    reads = records.count("frames_received") - records.count("coalesced_frames")  # that completed a frame, at least
    if records.count("reads_without_stamp") > reads / 2:
        facts["receive_clock"] = "callback"  # the platform promised stamps and gave none
    return Run(
        **facts,
        folder=records.folder,
        complete=records.complete,
        duration_s=round(window.stop_s, 3),
        window=window,
    )


def _rejected_ratio(records: Records, window: Window) -> dict[str, float | None]:
    """Rejected share of the messages on the wire, over whole limiter windows only, by user class."""
    messages, length = records.messages, records.info.limit_window_s
    if not length:
        return {}
    start, stop = window.whole(length)
    part = (messages.intended_ns >= start) & (messages.intended_ns < stop) & (messages.sent_ns != MISSING)
    sent = messages.user_class[part].counts()
    rejected = messages.user_class[part & messages.outcome.is_in(Outcome.REJECTED)].counts()
    return {
        name: round(rejected.get(name, 0) / sent[name], 6) if name in sent else None
        for name in sorted(filter(None, messages.user_class.counts()))
    }
