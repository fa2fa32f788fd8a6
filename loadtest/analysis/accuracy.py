"""How far measured percentiles lie from the truth, where a server keeps a log of it.

The true latency of a message is the server's moment of writing less the client's moment of sending, both on the one
monotonic clock of a host. What is measured beyond it is the way back through the kernel, some tens of microseconds, and
whatever the load generator adds of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.distribution import NS_PER_MS, Distribution
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.promise import PROMISED, allowed_ms
from loadtest.analysis.samples import message_values
from loadtest.metrics import HEADLINE
from loadtest.runs.columns import MISSING, Bools, Ints
from loadtest.runs.truth import Truth

QUANTILES: Final = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999))
MOST_ONE_SIDED: Final = 0.001
"""Share of messages whose reply may be known to one side alone."""


class PercentileError(Struct, frozen=True):
    """A percentile as measured and as it was, over the same messages.

    Attributes:
        error_ms: above 0 where more was measured than there was.
        allowed_ms: the larger of 1 ms and 1 % of the truth.
        within: whether the error is allowed, either way.
    """

    measured_ms: float
    true_ms: float
    error_ms: float
    allowed_ms: float
    within: bool


Errors = Mapping[str, PercentileError | None]


class MetricAccuracy(Struct, frozen=True):
    """One metric against the truth.

    Attributes:
        count: messages with both a measured and a true latency; the percentiles are over these.
        one_sided: messages that only one of the two sides knows a latency of.
        percentiles: None below the sample floor.
    """

    count: int
    one_sided: int
    percentiles: dict[str, PercentileError | None]

    @property
    def within(self) -> bool:
        """Whether the p99 is as near to the truth as promised, over all messages.

        A reply that was written and not noticed, or noticed and never written, is in no percentile here; ranked behind
        all others, as it should be, a thousandth of them would move a p99 by a tenth of what lies beyond it.
        """
        error = self.percentiles["p99"]
        if error is None or not error.within:
            return False
        return self.one_sided <= MOST_ONE_SIDED * (self.count + self.one_sided)


class Accuracy(Struct, frozen=True):
    """One run against the truth: headline messages of its steady window.

    Attributes:
        metrics: the headline's, by key.
        unknown: messages that the server never read.
        way_there_ms: percentiles of sent to read by the server's handler, with what they waited there.
    """

    metrics: dict[str, MetricAccuracy]
    unknown: int
    way_there_ms: dict[str, float | None]

    @property
    def measured(self) -> bool:
        """Whether there is a p99 of each promised metric to judge by."""
        return all(self.metrics[key].percentiles["p99"] is not None for key in PROMISED)

    @property
    def within(self) -> bool:
        """Whether the p99 of each promised metric is as near to the truth as promised."""
        return all(self.metrics[key].within for key in PROMISED)


def accuracy(measured: Measured, truth: Truth) -> Accuracy:
    """Hold a run against the log of its server.

    Args:
        truth: of each message of the run, in the run's order.
    """
    messages, part = measured.records.messages, measured.headline
    moments = dict(zip(HEADLINE, (truth.delivered_ns, truth.first_content_ns, truth.completed_ns), strict=True))
    seen = part & (truth.read_ns != MISSING)
    return Accuracy(
        metrics={
            key: compare(message_values(messages, key, streams_expected=True)[part], _since(at, messages.sent_ns)[part])
            for key, at in moments.items()
        },
        unknown=int((part & ~seen).sum()),
        way_there_ms=_percentiles(_since(truth.read_ns, messages.sent_ns)[seen]),
    )


def compare(measured_ns: Floats, true_ns: Floats) -> MetricAccuracy:
    """Percentiles of two latencies of each message.

    Args:
        measured_ns: NaN where there is none, +infinity where no answer came. Shape n.
        true_ns: of the same messages; NaN where there is none. Shape n.
    """
    known: tuple[Bools, Bools] = (np.isfinite(measured_ns), np.isfinite(true_ns))
    both = known[0] & known[1]
    here, there = _percentiles(measured_ns[both]), _percentiles(true_ns[both])
    errors = {
        name: None if (mine := here[name]) is None or (true := there[name]) is None else percentile_error(mine, true)
        for name in here
    }
    return MetricAccuracy(int(both.sum()), int((known[0] ^ known[1]).sum()), errors)


def percentile_error(measured_ms: float, true_ms: float) -> PercentileError:
    """One percentile held against the truth, to whole nanoseconds."""
    error, allowed = round(measured_ms - true_ms, 6), allowed_ms(true_ms)
    return PercentileError(measured_ms, true_ms, error, allowed, abs(error) <= allowed)


def _since(moments: Ints, origin: Ints) -> Floats:
    return np.where((moments != MISSING) & (origin != MISSING), moments - origin, np.nan)


def _percentiles(values_ns: Floats) -> dict[str, float | None]:
    found = Distribution.of(values_ns / NS_PER_MS)
    return {name: found.quantile(q) if found.count >= _enough(q) else None for name, q in QUANTILES}


def _enough(q: float) -> int:
    """Messages from which on one lies beyond the q-quantile: 1,000 for p99.9.

    Both sides are percentiles of the same messages, so what a sample leaves open of its source is in neither.
    """
    return round(1 / (1 - q))
