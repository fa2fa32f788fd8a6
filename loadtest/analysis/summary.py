"""One run in numbers: the fold of its records into `values.Summary`."""

from __future__ import annotations

from loadtest.analysis import ledger
from loadtest.analysis.distribution import Distribution
from loadtest.analysis.measure import measure
from loadtest.analysis.measured import Measured, in_unit, of_population
from loadtest.analysis.records import Records
from loadtest.analysis.samples import EVENTS, REPLIES, Samples, connect_part
from loadtest.analysis.values import SCHEMA, Group, Metrics, MetricSummary, Run, Summary
from loadtest.analysis.verdict import Evidence, judge
from loadtest.analysis.window import Window
from loadtest.metrics import BY_KEY, METRICS
from loadtest.model import Outcome, Population
from loadtest.runs.columns import MISSING, Messages

CONNECT_PARTS = ("tcp", "tls", "upgrade", "auth")


def summarize(measured: Measured) -> Summary:
    """Counts, metrics and verdict of one run."""
    records, fold = measured.records, _Fold(measured)
    messages = records.messages
    counts, steady_counts = ledger.count(records), ledger.message_counts(measured.messages)
    metrics = fold.metrics()
    from_intended = fold.replies(measured.headline, from_intended=True)
    populations = fold.populations()
    failures = ledger.connect_failures(records)
    return Summary(
        schema=SCHEMA,
        run=_run(records, measured.window),
        verdict=judge(Evidence(records, counts, steady_counts, metrics, from_intended, populations, failures)),
        counts=counts,
        metrics=metrics,
        by_class=fold.classes(),
        from_intended=from_intended,
        populations=populations,
        connect_parts={part: fold.part(part) for part in CONNECT_PARTS},
        steady=steady_counts,
        total=fold.replies(of_population(messages, Population.HEADLINE)),
        rejected_ratio=_rejected_ratio(records, measured.window),
        timeouts=ledger.reasons(messages, Outcome.TIMEOUT),
        errors=ledger.reasons(messages, Outcome.ERROR),
        losses=ledger.reasons(messages, Outcome.LOST),
        connect_failures=failures,
        disconnects=ledger.endings(records),
        seen=ledger.seen(records),
    )


class _Fold:
    """Metrics over parts of one measured set."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._beyond = f"> {measured.records.info.reply_timeout_s:g} s"

    def metrics(self) -> Metrics:
        """Every metric over the headline; what has no samples is there with a count of 0."""
        return {metric.key: self._metric(metric.key, self._measured.samples(metric.key)) for metric in METRICS}

    def replies(self, messages: Messages, *, from_intended: bool = False) -> Metrics:
        measured = self._measured
        return {key: self._metric(key, measured.replies(key, messages, from_intended=from_intended)) for key in REPLIES}

    def populations(self) -> dict[str, Group]:
        """Those that are not the headline, as far as the run has any."""
        groups = {}
        for population in (Population.LIMIT, Population.OUTAGE, Population.QUEUED):
            everything = of_population(self._measured.records.messages, population)
            if len(everything):
                measured = of_population(self._measured.messages, population)
                groups[str(population)] = Group(ledger.message_counts(everything), self.replies(measured))
        return groups

    def classes(self) -> dict[str, Group]:
        """Users by class."""
        records, measured = self._measured.records, self._measured.messages
        names = {connect.user_class for connect in records.connects} | set(records.messages.user_class.counts())
        prompt = measured.where(~measured.population.is_in(Population.QUEUED))
        return {
            name: Group(ledger.message_counts(_of_class(records.messages, name)), self._of_class(prompt, name))
            for name in sorted(filter(None, names))
        }

    def part(self, part: str) -> MetricSummary:
        """A part of `connect`."""
        return self._metric("connect", connect_part(self._measured.records, part))

    def _of_class(self, messages: Messages, name: str) -> Metrics:
        own = _of_class(messages, name)
        nothing = Distribution.of_counts(())
        return {
            metric.key: measure(metric.unit, nothing, self._beyond)
            if (samples := self._measured.samples(metric.key, own, name)) is None
            else self._metric(metric.key, samples)
            for metric in METRICS
        }

    def _metric(self, key: str, samples: Samples | None) -> MetricSummary:
        distribution = self._measured.counted(key) if samples is None else in_unit(key, samples.values)
        return measure(BY_KEY[key].unit, distribution, self._beyond, "run" if key in EVENTS else "steady")


def _of_class(messages: Messages, name: str) -> Messages:
    return messages.where(messages.user_class.is_in(name))


def _run(records: Records, window: Window) -> Run:
    facts = {name: getattr(records.info, name) for name in records.info.__struct_fields__}
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
    within = messages.where(
        (messages.intended_ns >= start) & (messages.intended_ns < stop) & (messages.sent_ns != MISSING)
    )
    sent = within.user_class.counts()
    rejected = within.where(within.outcome.is_in(Outcome.REJECTED)).user_class.counts()
    return {
        name: round(rejected.get(name, 0) / sent[name], 6) if name in sent else None
        for name in sorted(filter(None, messages.user_class.counts()))
    }
