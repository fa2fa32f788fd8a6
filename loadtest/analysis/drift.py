"""Was the run stationary? Without that, its percentiles depend on how long it lasted.

The steady window is cut into blocks. A quantity drifts where its blocks rank with time (Kendall's tau: M. G. Kendall,
"A new measure of rank correlation", Biometrika 30, 1938; H. B. Mann, "Nonparametric tests against trend", Econometrica
13, 1945) and where its slope (the median of the slopes between all pairs: P. K. Sen, JASA 63, 1968) makes a difference
that a person would care for. Both have to hold: the first alone finds trends of a microsecond in a long run, the second
alone finds them in a short one. In an open loop, a server that cannot keep up shows as messages in flight and latency
that grow together (GuideLLM looks at the same two: docs/guides/over_saturation_stopping.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.kendall import p_value
from loadtest.analysis.measured import Measured
from loadtest.analysis.percentiles import Floats
from loadtest.model import Outcome, StreamState
from loadtest.runs.columns import MISSING, Ints, Messages

BLOCKS: Final = 12
PER_BLOCK: Final = 10
"""Messages that a block holds at least, in the mean: a median of fewer says little."""
P_VALUE: Final = 0.001
"""With the three series looked at, a stationary run is called drifting once in some hundreds of times at most."""
CHANGE: Final = 0.10
"""Share of its own middle by which a latency has to change over the window."""
CHANGE_MS: Final = 1.0
"""The least change of a latency over the window that counts, ms: the precision that a valid run promises."""
GROWTH: Final = 0.25
"""Share of its own middle by which the messages in flight have to grow over the window."""
IN_FLIGHT: Final = "in_flight"
"""Key of the trend that is of no latency."""
POINTS: Final = 20
"""Instants in a block at which the messages in flight are counted."""
_SILENT: Final = (StreamState.INCOMPLETE, StreamState.MISSING, StreamState.UNFINISHED)


class Stationarity(StrEnum):
    """Whether the percentiles of a run would be those of a longer one."""

    STEADY = "steady"
    DRIFTING = "drifting"
    """A latency changes in the course of the window."""
    SATURATED = "saturated"
    """Messages in flight grow, and latency with them: the server takes in less than it is sent."""
    UNKNOWN = "unknown"
    """Too few messages to tell."""


class Trend(Struct, frozen=True):
    """One quantity over the window.

    Attributes:
        key: a latency's metric, or `IN_FLIGHT`.
        start: at the beginning, by the line through the blocks; ms, or messages.
        end: at its end.
        p_value: of Kendall's tau, two-sided.
    """

    key: str
    start: float
    end: float
    p_value: float

    @property
    def change(self) -> float:
        return self.end - self.start

    @property
    def share(self) -> float:
        """The change as a share of the quantity's middle."""
        middle = (self.start + self.end) / 2
        return self.change / middle if middle > 0 else 0.0


class Drift(Struct, frozen=True):
    """The finding.

    Attributes:
        status: see `Stationarity`.
        in_flight_per_s: growth of the messages in flight; None where unknown.
        trends: of the messages in flight and of p50 of ack and first token, as far as known.
    """

    status: Stationarity
    in_flight_per_s: float | None
    trends: list[Trend]

    @property
    def moved(self) -> list[Trend]:
        """The latencies that made the status: those whose change matters, and in a saturated run of these that grew."""
        moved = [trend for trend in self.trends if trend.key != IN_FLIGHT and _matters(trend)]
        return [trend for trend in moved if trend.change > 0 or self.status is not Stationarity.SATURATED]


def drift(measured: Measured) -> Drift:
    """Judge the steady window of a run."""
    window = measured.window
    if int(measured.headline.sum()) < BLOCKS * PER_BLOCK or window.seconds <= 0:
        return Drift(Stationarity.UNKNOWN, None, [])
    flight = _trend(IN_FLIGHT, _in_flight(measured))
    latencies = [trend for key in ("ack_delivered", "ttft") if (trend := _latency(measured, key)) is not None]
    moved = [trend for trend in latencies if _matters(trend)]
    grows = flight.p_value < P_VALUE and flight.share > GROWTH
    status = Stationarity.DRIFTING if moved else Stationarity.STEADY
    if grows and any(trend.change > 0 for trend in moved):
        status = Stationarity.SATURATED
    return Drift(status, round(flight.change / window.seconds, 3), [flight, *latencies])


def _matters(trend: Trend) -> bool:
    return trend.p_value < P_VALUE and abs(trend.share) > CHANGE and abs(trend.change) > CHANGE_MS


def _latency(measured: Measured, key: str) -> Trend | None:
    """The trend of a latency's median by block of intended time; None where a block has no median."""
    samples = measured.samples(key)
    if samples is None or not len(samples):
        return None
    window = measured.window
    edges = np.linspace(window.start_ns, window.stop_ns, BLOCKS + 1)
    blocks = np.clip(np.searchsorted(edges, samples.at_ns, side="right") - 1, 0, BLOCKS - 1)
    parts = [samples.values[blocks == block] for block in range(BLOCKS)]
    if any(len(part) == 0 for part in parts):
        return None
    # an unanswered message ranks above every answered one; where it is the median, the reply timeout stands for it
    ceiling = measured.records.info.reply_timeout_s * 1e9
    return _trend(key, np.array([float(np.median(np.minimum(part, ceiling))) for part in parts]) / 1e6)


def _in_flight(measured: Measured) -> Floats:
    """Messages on their way, in the mean of each block."""
    messages, window = measured.records.messages, measured.window
    left = messages.sent_ns != MISSING
    sent = np.sort(messages.sent_ns[left])
    ended = np.sort(_ended(messages, round(measured.records.info.reply_timeout_s * 1e9))[left])
    at = np.linspace(window.start_ns, window.stop_ns, BLOCKS * POINTS, endpoint=False)
    flying = np.searchsorted(sent, at, side="right") - np.searchsorted(ended, at, side="right")
    means: Floats = flying.reshape(BLOCKS, POINTS).mean(axis=1)
    return means


def _ended(messages: Messages, timeout_ns: int) -> Ints:
    """When each message was over: when it was last heard of, or a reply timeout after that if it then fell silent."""
    heard = messages.sent_ns.copy()
    for instants in (messages.delivered_ns, messages.refused_ns, messages.last_content_ns, messages.completed_ns):
        np.maximum(heard, instants, out=heard)
    silent = messages.outcome.is_in(Outcome.TIMEOUT, Outcome.UNFINISHED) | messages.stream_state.is_in(*_SILENT)
    heard[silent] += timeout_ns
    return heard


def _trend(key: str, blocks: Floats) -> Trend:
    """Through the means of blocks, at equal distances in time; the line ends at the edges of the window."""
    earlier, later = np.triu_indices(len(blocks), 1)
    slope = float(np.median((blocks[later] - blocks[earlier]) / (later - earlier)))
    start = float(np.median(blocks)) - slope * len(blocks) / 2
    return Trend(key, round(start, 4), round(start + slope * len(blocks), 4), round(p_value(blocks), 6))
