"""One run in numbers: the fold of its records into `values.Summary`."""

from __future__ import annotations

from collections.abc import Iterable

from loadtest.analysis import ledger
from loadtest.analysis.measure import measure, measure_counts
from loadtest.analysis.records import Records
from loadtest.analysis.samples import EVENTS, OF_MESSAGES, REPLIES, connect_part, event_samples, message_samples
from loadtest.analysis.values import SCHEMA, Group, Metrics, MetricSummary, Run, Summary
from loadtest.analysis.verdict import Evidence, judge
from loadtest.analysis.window import Window, steady
from loadtest.metrics import BY_KEY, METRICS
from loadtest.model import Counts, Outcome, Population
from loadtest.runs.columns import MISSING, Messages, Text

CONNECT_PARTS = ("tcp", "tls", "upgrade", "auth")


def summarize(records: Records) -> Summary:
    """Counts, metrics and verdict of one run."""
    fold = _Fold(records)
    counts, steady_counts = ledger.count(records), ledger.message_counts(fold.measured)
    headline = fold.measured.where(fold.measured.population.is_in(Population.HEADLINE))
    metrics = fold.metrics(headline)
    from_intended = fold.replies(headline, from_intended=True)
    populations = fold.populations()
    failures = ledger.connect_failures(records)
    evidence = Evidence(records, counts, steady_counts, metrics, from_intended, populations, failures)
    everything = records.messages
    return Summary(
        schema=SCHEMA,
        run=_run(records, fold.window),
        verdict=judge(evidence),
        counts=counts,
        metrics=metrics,
        by_class=fold.classes(),
        from_intended=from_intended,
        populations=populations,
        connect_parts={part: fold.part(part) for part in CONNECT_PARTS},
        steady=steady_counts,
        total=fold.replies(everything.where(everything.population.is_in(Population.HEADLINE))),
        rejected_ratio=_rejected_ratio(records, fold.window),
        timeouts=ledger.reasons(everything, Outcome.TIMEOUT),
        errors=ledger.reasons(everything, Outcome.ERROR),
        losses=ledger.reasons(everything, Outcome.LOST),
        connect_failures=failures,
        disconnects=ledger.endings(records),
        seen=ledger.seen(records),
    )


class _Fold:
    """The records of one run with its window and what is measured in it."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.window = steady(records)
        intended = records.messages.intended_ns
        self.measured = records.messages.where((intended >= self.window.start_ns) & (intended < self.window.stop_ns))
        self.beyond = f"> {records.info.reply_timeout_s:g} s"

    def metrics(self, messages: Messages, user_class: str | None = None) -> Metrics:
        """Every metric, over the messages given; what has no samples is there with a count of 0."""
        return {metric.key: self._metric(metric.key, messages, user_class) for metric in METRICS}

    def replies(self, messages: Messages, *, from_intended: bool = False) -> Metrics:
        return {key: self._of_messages(key, messages, from_intended=from_intended) for key in REPLIES}

    def populations(self) -> dict[str, Group]:
        groups = {}
        for population in (Population.LIMIT, Population.OUTAGE, Population.QUEUED):
            everything = _of(self.records.messages, self.records.messages.population, [population])
            if len(everything):
                measured = _of(self.measured, self.measured.population, [population])
                groups[str(population)] = Group(ledger.message_counts(everything), self.replies(measured))
        return groups

    def classes(self) -> dict[str, Group]:
        everything, groups = self.records.messages, {}
        prompt = self.measured.where(~self.measured.population.is_in(Population.QUEUED))
        names = {connect.user_class for connect in self.records.connects} | set(everything.user_class.counts())
        for name in sorted(name for name in names if name is not None):
            counts = ledger.message_counts(_of(everything, everything.user_class, [name]))
            groups[name] = Group(counts, self.metrics(_of(prompt, prompt.user_class, [name]), name))
        return groups

    def part(self, part: str) -> MetricSummary:
        return measure(BY_KEY["connect"], connect_part(self.records, part), self.beyond, "run")

    def _metric(self, key: str, messages: Messages, user_class: str | None) -> MetricSummary:
        metric = BY_KEY[key]
        if key in EVENTS:
            return measure(metric, event_samples(self.records, key, user_class), self.beyond, "run")
        if key in REPLIES or key in OF_MESSAGES:
            return self._of_messages(key, messages)
        if key == "reject":
            # of everyone: those within the limit are not rejected, and those above it are in no headline
            return self._of_messages(key, messages if user_class else self.measured)
        return measure_counts(metric, () if user_class else self._histograms(key))

    def _histograms(self, key: str) -> Iterable[Counts]:
        window = self.window
        return (
            part
            for part in self.records.histograms
            if part.metric == key and window.start_ns <= part.start_ns < window.stop_ns
        )

    def _of_messages(self, key: str, messages: Messages, *, from_intended: bool = False) -> MetricSummary:
        samples = message_samples(
            messages, key, streams_expected=self.records.streams_expected, from_intended=from_intended
        )
        return measure(BY_KEY[key], samples, self.beyond)


def _of(messages: Messages, column: Text, names: list[str]) -> Messages:
    return messages.where(column.is_in(*names))


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
    sent, rejected = within.user_class.counts(), _of(within, within.outcome, [Outcome.REJECTED]).user_class.counts()
    return {
        name: round(rejected.get(name, 0) / sent[name], 6) if name in sent else None
        for name in sorted(filter(None, messages.user_class.counts()))
    }
