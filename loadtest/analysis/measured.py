"""The measured set of a run, and every metric over it or over parts of it."""

from __future__ import annotations

import numpy as np

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.analysis.rooms.metrics import METRICS as OF_ROOMS
from loadtest.analysis.rooms.metrics import RoomMetrics
from loadtest.analysis.samples import (
    EVENTS,
    OF_LIMIT,
    OF_MESSAGES,
    REPLIES,
    Basis,
    Samples,
    event_samples,
    message_values,
)
from loadtest.analysis.window import Window, steady
from loadtest.metrics import BY_KEY
from loadtest.model import Counts, Population
from loadtest.runs.columns import MISSING, Bools, Ints

_PER_MESSAGE = {*REPLIES, *OF_MESSAGES, *OF_LIMIT, "ttft_overhead"}
_KEPT = {*REPLIES, *OF_LIMIT}
"""Whose values of all messages are kept: headline, classes, populations, plot and timeline ask for the replies, and the
rate limit's take long. The others are quickly made again for each class, and would take 8 bytes a message each."""


class Measured:
    """What the percentiles of a run are over.

    Parts of the messages are masks over all of them, so that a million messages are not copied for each part.

    Attributes:
        records: the whole run.
        window: its steady window.
        steady: which messages were intended in it. Shape n.
        headline: which of these are of users within the limit on a healthy connection. Shape n.
        rooms: what members of rooms received.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.window: Window = steady(records)
        intended = records.messages.intended_ns
        self.steady: Bools = (intended >= self.window.start_ns) & (intended < self.window.stop_ns)
        self.headline: Bools = self.steady & self.of_population(Population.HEADLINE)
        self.rooms = RoomMetrics(records, self.window)
        self._values: dict[str, Floats] = {}

    def of_population(self, population: Population) -> Bools:
        """Which messages of the whole run belong to a population."""
        return self.records.messages.population.is_in(population)

    def distribution(self, key: str, part: Bools | None = None) -> Distribution:
        """A metric's distribution, in its unit; the arguments are those of `samples`."""
        samples = self.samples(key, part)
        return Distribution.of_counts(self.counts(key)) if samples is None else in_unit(key, samples.values)

    def samples(
        self, key: str, part: Bools | Ints | None = None, *, basis: Basis = Basis.SENT, user_class: str | None = None
    ) -> Samples | None:
        """The samples of a metric with their instants and users; None for one that is kept as counts only.

        Args:
            part: which messages, as a mask or as row numbers; by default the headline, of the rate limit's metrics all
                measured ones (users within the limit are not rejected, and the others are in no headline). Metrics of
                connections are over the whole run.
            basis: what replies count from.
            user_class: whose connections.
        """
        if key in EVENTS:
            return event_samples(self.records, key, user_class)
        if key in OF_ROOMS:
            return self._of_rooms(key, part, user_class)
        if key not in _PER_MESSAGE:
            return None
        values, messages = self.values(key, basis), self.records.messages
        rows = _row_numbers(self._default(key) if part is None else part)
        samples = Samples(values[rows], messages.intended_ns[rows], messages.user.codes[rows])
        return samples.known()

    def _of_rooms(self, key: str, part: Bools | Ints | None, user_class: str | None) -> Samples:
        rows = self.headline if part is None else part
        if key == "typing_fanout" and user_class is not None:
            rows, key = np.zeros(0, np.int64), "fanout"  # it belongs to no message, and so to no class
        return self.rooms.samples(key, _row_numbers(rows))

    def counts(self, key: str) -> list[Counts]:
        """The counts of a metric in the intervals that lie wholly in the window."""
        return [
            part
            for part in self.records.histograms
            if part.metric == key and self.window.holds(part.start_ns, part.end_ns)
        ]

    def values(self, key: str, basis: Basis = Basis.SENT) -> Floats:
        """A metric of messages for every message of the run: ns, +infinity for the unanswered, NaN for no sample."""
        if key == "ttft_overhead":
            return self._overhead()
        if key not in _KEPT or basis is not Basis.SENT:
            return self._values_of(key, basis)
        if key not in self._values:
            self._values[key] = self._values_of(key, basis)
        return self._values[key]

    def _values_of(self, key: str, basis: Basis) -> Floats:
        return message_values(self.records.messages, key, streams_expected=self.records.streams_expected, basis=basis)

    def _overhead(self) -> Floats:
        """Time to first token without the model's share; what was never answered stays +infinity."""
        model = self.records.model
        if model is None:
            return np.full(len(self.records.messages), np.nan)
        ttft = self.values("ttft")
        share = np.where(model.share_ns == MISSING, np.nan, model.share_ns)
        return np.where(np.isinf(ttft), ttft, ttft - share)

    def _default(self, key: str) -> Bools:
        return self.steady if key in OF_LIMIT else self.headline


def _row_numbers(part: Bools | Ints) -> Ints:
    """Of a mask or of row numbers: columns are picked by these in a tenth of the time that a mask takes."""
    return np.flatnonzero(part) if part.dtype == np.bool_ else part.astype(np.int64, copy=False)


def in_unit(key: str, values: Floats) -> Distribution:
    """The distribution of values of a metric (ns, where it is a time), in the metric's unit."""
    return Distribution.of(values / NS_PER_MS if BY_KEY[key].unit == "ms" else values)
