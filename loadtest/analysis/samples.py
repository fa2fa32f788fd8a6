"""The samples of each metric, from the records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.model import Connect, Disconnect, Outage, Outcome, StreamState
from loadtest.runs.columns import MISSING, Bools, Ints, Messages

UNANSWERED: Final = (Outcome.ERROR, Outcome.TIMEOUT, Outcome.LOST, Outcome.UNFINISHED)
"""Outcomes that rank as +infinity; rejected and dropped messages are in no population."""

STREAM_UNANSWERED: Final = (
    StreamState.MISSING,
    StreamState.INCOMPLETE,
    StreamState.INTERRUPTED,
    StreamState.ERRORED,
    StreamState.UNFINISHED,
)
"""Ends of a stream that rank as +infinity where its first chunk or its completion never came."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one metric.

    Attributes:
        values: ns, or the metric's own unit where that is not a time; +infinity for the unanswered. Shape n.
        at_ns: the instant that a sample counts for (of a message, when it was intended). Shape n.
        users: a number for the user of each sample. Shape n.
    """

    values: Floats
    at_ns: Ints
    users: npt.NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.values)

    def known(self) -> Samples:
        """Those that are not NaN."""
        unknown = np.isnan(self.values)
        if not unknown.any():
            return self
        return Samples(self.values[~unknown], self.at_ns[~unknown], self.users[~unknown])


def _since(instants: Ints, origin: Ints) -> Floats:
    """Time from one to the other, ns; NaN where either is unknown."""
    known = (instants != MISSING) & (origin != MISSING)
    return np.where(known, instants - origin, np.nan)


def _ranked(times: Floats, unanswered: Bools) -> Floats:
    """The same with +infinity where the answer never came."""
    return np.where(np.isnan(times) & unanswered, np.inf, times)


def ack_received(messages: Messages, origin: Ints) -> Floats:
    return _ranked(_since(messages.received_ns, origin), messages.outcome.is_in(*UNANSWERED))


def ack_delivered(messages: Messages, origin: Ints) -> Floats:
    return _ranked(_since(messages.delivered_ns, origin), messages.outcome.is_in(*UNANSWERED))


def ttft(messages: Messages, origin: Ints) -> Floats:
    return _ranked(_since(messages.first_content_ns, origin), _stream_unanswered(messages))


def stream_completion(messages: Messages, origin: Ints) -> Floats:
    return _ranked(_since(messages.completed_ns, origin), _stream_unanswered(messages))


def _stream_unanswered(messages: Messages) -> Bools:
    return messages.outcome.is_in(*UNANSWERED) | messages.stream_state.is_in(*STREAM_UNANSWERED)


def stream_rate(messages: Messages) -> Floats:
    """Characters a second after the first chunk.

    The record has the length of the whole answer, so the first chunk is taken to be as long as the others.
    """
    progress = messages.chunks - 1  # the completion repeats the content
    seconds = _since(messages.last_content_ns, messages.first_content_ns) / 1e9
    known = (progress > 1) & (seconds > 0) & (messages.completed_ns != MISSING)
    rate = np.full(len(messages), np.nan)
    rate[known] = messages.chars[known] * (1 - 1 / progress[known]) / seconds[known]
    return rate


def longest_stall(messages: Messages) -> Floats:
    return np.where(messages.longest_stall_ns != MISSING, messages.longest_stall_ns.astype(np.float64), np.nan)


def finish_lag(messages: Messages) -> Floats:
    return _since(messages.completed_ns, messages.last_content_ns)


def reject(messages: Messages) -> Floats:
    return np.where(messages.outcome.is_in(Outcome.REJECTED), _since(messages.refused_ns, messages.sent_ns), np.nan)


def send_lag(messages: Messages) -> Floats:
    return _since(messages.sent_ns, messages.intended_ns)


def stamp_bound(messages: Messages) -> Floats:
    """The wider of the bounds of the delivered ack and the first content."""
    widest = np.maximum(messages.delivered_bound_ns, messages.first_content_bound_ns)
    return np.where(widest != MISSING, widest.astype(np.float64), np.nan)


REPLIES: Final[Mapping[str, Callable[[Messages, Ints], Floats]]] = {
    "ack_received": ack_received,
    "ack_delivered": ack_delivered,
    "ttft": ttft,
    "stream_completion": stream_completion,
}
"""Metrics that count from a moment of the message (sent, or intended) to a reply: ns, NaN for no sample."""

OF_MESSAGES: Final[Mapping[str, Callable[[Messages], Floats]]] = {
    "stream_rate": stream_rate,
    "longest_stall": longest_stall,
    "finish_lag": finish_lag,
    "send_lag": send_lag,
    "stamp_bound": stamp_bound,
}
"""Metrics with their own two ends."""


EVENTS: Final = ("connect", "close", "outage", "recovery", "queue_flush")
"""Metrics of connections. They are over the whole run: most connections are made before the steady window begins."""


def message_values(messages: Messages, key: str, *, streams_expected: bool, from_intended: bool = False) -> Floats:
    """The value of a metric for each message: ns, or the metric's own unit; NaN for no sample. Shape n.

    Args:
        key: one of `REPLIES`, `OF_MESSAGES`, or `reject`.
        streams_expected: whether a message without an answer is missing one.
        from_intended: count replies from when the schedule wanted the message to leave, not from when it left.
    """
    if key not in REPLIES:
        return reject(messages) if key == "reject" else OF_MESSAGES[key](messages)
    values = REPLIES[key](messages, messages.intended_ns if from_intended else messages.sent_ns)
    if key in ("ttft", "stream_completion") and not streams_expected:
        values[np.isinf(values)] = np.nan
    return values


def event_samples(records: Records, key: str, user_class: str | None = None) -> Samples:
    """Samples of a metric of connections, of all users or of one class.

    Args:
        key: one of `EVENTS`.
    """
    connects = _of_class(records.connects, user_class)
    outages = _of_class(records.outages, user_class)
    if key == "connect":
        return _spans((c.user, c.began_ns, c.authenticated_ns) for c in connects)
    if key == "close":
        closes = _of_class(records.disconnects, user_class)
        return _spans((d.user, d.at_ns, d.at_ns + d.close_ns) for d in closes if d.close_ns is not None)
    if key == "outage":
        return _spans((o.user, o.lost_ns, o.authenticated_ns) for o in outages)
    if key == "recovery":
        return _spans((o.user, o.lost_ns, o.recovered_ns) for o in outages)
    return _spans((o.user, o.authenticated_ns, o.flushed_ns) for o in outages)


def connect_part(records: Records, part: str) -> Samples:
    """Samples of a part of `connect`: `tcp`, `tls`, `upgrade` or `auth`, of the connects that succeeded."""
    lengths = (
        (c.user, c.began_ns, getattr(c, f"{part}_ns")) for c in records.connects if c.authenticated_ns is not None
    )
    return _spans((user, began, None if length is None else began + length) for user, began, length in lengths)


Event = TypeVar("Event", Connect, Disconnect, Outage)


def _of_class(events: Sequence[Event], user_class: str | None) -> Sequence[Event]:
    return events if user_class is None else [event for event in events if event.user_class == user_class]


def _spans(spans: Iterable[tuple[str, int | None, int | None]]) -> Samples:
    """Samples from (user, beginning, end); without an end there is no sample."""
    numbers: dict[str, int] = {}
    rows = [
        (end - begin, begin, numbers.setdefault(user, len(numbers)))
        for user, begin, end in spans
        if begin is not None and end is not None
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Samples(table[:, 0].astype(np.float64), table[:, 1], table[:, 2])
