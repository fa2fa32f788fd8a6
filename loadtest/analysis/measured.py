"""The measured set of a run, and the samples of every metric in it."""

from __future__ import annotations

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.analysis.samples import EVENTS, OF_MESSAGES, REPLIES, Samples, event_samples, message_samples
from loadtest.analysis.window import Window, steady
from loadtest.metrics import BY_KEY
from loadtest.model import Population
from loadtest.runs.columns import Messages


class Measured:
    """What the percentiles of a run are over.

    Attributes:
        records: the whole run.
        window: its steady window.
        messages: those intended in the window.
        headline: of these, the ones of users within the limit on a healthy connection.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.window: Window = steady(records)
        intended = records.messages.intended_ns
        self.messages = records.messages.where((intended >= self.window.start_ns) & (intended < self.window.stop_ns))
        self.headline = of_population(self.messages, Population.HEADLINE)

    def replies(self, key: str, messages: Messages, *, from_intended: bool = False) -> Samples:
        """Samples of a metric of `REPLIES` over some messages."""
        expected = self.records.streams_expected
        return message_samples(messages, key, streams_expected=expected, from_intended=from_intended)

    def samples(self, key: str, messages: Messages | None = None, user_class: str | None = None) -> Samples | None:
        """Samples of any metric; None for one that is kept as counts only.

        Args:
            messages: those to take it from, the headline by default; metrics of connections are over the whole run.
            user_class: whose connections.
        """
        if key in EVENTS:
            return event_samples(self.records, key, user_class)
        if key in REPLIES or key in OF_MESSAGES:
            return self.replies(key, self.headline if messages is None else messages)
        if key == "reject":
            # of everyone: users within the limit are not rejected, and the others are in no headline
            return self.replies(key, self.messages if messages is None else messages)
        return None

    def counted(self, key: str) -> Distribution:
        """Distribution of a metric that is kept as counts: of the intervals that began in the window."""
        window = self.window
        return Distribution.of_counts(
            part
            for part in self.records.histograms
            if part.metric == key and window.start_ns <= part.start_ns < window.stop_ns
        )

    def distribution(self, key: str) -> Distribution:
        """Distribution of any metric over the headline, in the metric's unit."""
        samples = self.samples(key)
        return self.counted(key) if samples is None else in_unit(key, samples.values)


def in_unit(key: str, values: Floats) -> Distribution:
    """The distribution of values of a metric (ns, where it is a time), in the metric's unit."""
    return Distribution.of(values / NS_PER_MS if BY_KEY[key].unit == "ms" else values)


def of_population(messages: Messages, population: Population) -> Messages:
    """The messages of one population."""
    return messages.where(messages.population.is_in(population))
