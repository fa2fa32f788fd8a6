"""The samples of each metric, from the records."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from loadtest.analysis.limits.run import retry_after_errors
from loadtest.analysis.percentiles import Floats
from loadtest.analysis.records import Records
from loadtest.model import Connect, Disconnect, Flush, Outage, Outcome, StreamState
from loadtest.protocol import AUTH_REFUSALS
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
        clusters: how many groups the samples come in, where those of a group are of one event (a message at each member
            of its room): so many are independent at most. None where each stands for itself.
    """

    values: Floats
    at_ns: Ints
    users: npt.NDArray[np.integer[Any]]
    clusters: int | None = None

    def __len__(self) -> int:
        return len(self.values)

    def known(self) -> Samples:
        """Those that are not NaN."""
        known = np.flatnonzero(~np.isnan(self.values))  # by numbers, as in `Measured.samples`
        if len(known) == len(self):
            return self
        return Samples(self.values[known], self.at_ns[known], self.users[known])


def _since(instants: Ints, origin: Ints) -> Floats:
    """Time from one to the other, ns; NaN where either is unknown."""
    known = (instants != MISSING) & (origin != MISSING)
    return np.where(known, instants - origin, np.nan)


def _unanswered(messages: Messages) -> Bools:
    return messages.outcome.is_in(*UNANSWERED)


def _stream_unanswered(messages: Messages) -> Bools:
    return _unanswered(messages) | messages.stream_state.is_in(*STREAM_UNANSWERED)


@dataclass(frozen=True, slots=True)
class Reply:
    """A metric that counts from a moment of the message to a reply.

    Attributes:
        arrived: column of the reply's instant.
        bound: column of how much earlier than that it may have arrived.
        unanswered: which messages will never have it, so that they rank as +infinity.
        of_stream: whether it is part of an answer, which some servers do not give.
    """

    arrived: str
    bound: str
    unanswered: Callable[[Messages], Bools]
    of_stream: bool


class Basis(StrEnum):
    """What a reply's latency is counted from."""

    SENT = "sent"
    """The headline: when the message was handed to the transport."""
    INTENDED = "intended"
    """When the schedule wanted it to leave."""
    SHORTEST = "shortest"
    """The least that the latency from sent can have been: to the earliest instant at which the reply can have arrived,
    and from the latest at which the message can have left."""


def reply_times(messages: Messages, key: str, basis: Basis) -> Floats:
    """Latency of a reply for each message: ns, +infinity for the unanswered, NaN for no sample. Shape n.

    Args:
        key: one of `REPLIES`.
    """
    reply = REPLIES[key]
    arrived: Ints = getattr(messages, reply.arrived)
    times = _since(arrived, messages.intended_ns if basis is Basis.INTENDED else messages.sent_ns)
    if basis is Basis.SHORTEST:
        for unsure in (getattr(messages, reply.bound), messages.handover_ns):
            times -= np.maximum(unsure, 0)
        np.maximum(times, 0.0, out=times)
    times[np.isnan(times) & reply.unanswered(messages)] = np.inf
    return times


def stream_rate(messages: Messages) -> Floats:
    """Characters a second after the first chunk.

    The record has the length of the whole answer, so the first chunk is taken to be as long as the others.
    """
    progress = _progress_chunks(messages)
    seconds = _since(messages.last_content_ns, messages.first_content_ns) / 1e9
    known = np.flatnonzero((progress > 1) & (seconds > 0) & (messages.completed_ns != MISSING))
    rate = np.full(len(messages), np.nan)
    rate[known] = messages.chars[known] * (1 - 1 / progress[known]) / seconds[known]
    return rate


def chunk_rate(messages: Messages) -> Floats:
    """Chunks with new content a second, after the first one."""
    gaps = _progress_chunks(messages) - 1
    seconds = _since(messages.last_content_ns, messages.first_content_ns) / 1e9
    known = np.flatnonzero((gaps > 0) & (seconds > 0) & (messages.completed_ns != MISSING))
    rate = np.full(len(messages), np.nan)
    rate[known] = gaps[known] / seconds[known]
    return rate


def _progress_chunks(messages: Messages) -> Ints:
    """Of each answer; of files of older versions as if every completion repeated the content."""
    counted = messages.progress_chunks
    return np.where(counted != MISSING, counted, messages.chunks - 1)


def amplification(messages: Messages) -> Floats:
    """Bytes of all frames of a completed answer over those of its text: cumulative chunks grow with its square."""
    known = np.flatnonzero((messages.text_bytes > 0) & (messages.completed_ns != MISSING))
    ratio = np.full(len(messages), np.nan)
    ratio[known] = messages.stream_bytes[known] / messages.text_bytes[known]
    return ratio


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


REPLIES: Final[Mapping[str, Reply]] = {
    "ack_received": Reply("received_ns", "received_bound_ns", _unanswered, False),
    "ack_delivered": Reply("delivered_ns", "delivered_bound_ns", _unanswered, False),
    "ttft": Reply("first_content_ns", "first_content_bound_ns", _stream_unanswered, True),
    "stream_completion": Reply("completed_ns", "completed_bound_ns", _stream_unanswered, True),
}
"""Metrics that count to a reply."""

OF_MESSAGES: Final[Mapping[str, Callable[[Messages], Floats]]] = {
    "stream_rate": stream_rate,
    "chunk_rate": chunk_rate,
    "amplification": amplification,
    "longest_stall": longest_stall,
    "finish_lag": finish_lag,
    "send_lag": send_lag,
    "stamp_bound": stamp_bound,
}
"""Metrics with their own two ends."""


OF_LIMIT: Final[Mapping[str, Callable[[Messages], Floats]]] = {
    "reject": reject,
    "retry_after_error": retry_after_errors,
}
"""Metrics of the rate limit, which users within it do not meet: over all measured messages."""


EVENTS: Final = (
    "login", "connect", "refusal", "close", "outage", "notice", "backoff", "reconnect", "recovery", "queue_flush",
)  # fmt: skip
"""Metrics of connections and of the logins before them. They are over the whole run: most are made before the steady
window begins."""


def message_values(messages: Messages, key: str, *, streams_expected: bool, basis: Basis = Basis.SENT) -> Floats:
    """The value of a metric for each message: ns, or the metric's own unit; NaN for no sample. Shape n.

    Args:
        key: one of `REPLIES`, `OF_MESSAGES` or `OF_LIMIT`.
        streams_expected: whether a message without an answer is missing one.
        basis: what replies count from.
    """
    if key not in REPLIES:
        return (OF_LIMIT.get(key) or OF_MESSAGES[key])(messages)
    values = reply_times(messages, key, basis)
    if REPLIES[key].of_stream and not streams_expected:
        values[np.isinf(values)] = np.nan
    return values


NEVER: Final = math.inf
"""An end that was waited for and did not come."""
Span = tuple[str, int | None, float | None]
"""A user, a beginning and an end, monotonic ns (int, or `NEVER`); without an end there is no sample."""


def _or_never(instant: int | None, outage: Outage) -> float | None:
    """An instant of an outage, `NEVER` where it should have come: a server must not win by those who do not return."""
    return NEVER if instant is None and outage.without_end else instant


def _flush(flush: Flush) -> Span:
    """A queue, to when it was answered: `NEVER` where it was not; whoever left did not wait for it."""
    return flush.user, flush.began_ns, NEVER if flush.ended_ns is None and flush.ended != "left" else flush.ended_ns


def _flushed(outage: Outage) -> float | None:
    """The same of an outage, in files of older versions, which know of no flushes apart."""
    return NEVER if outage.flushed_ns is None and outage.queued and outage.ended != "left" else outage.flushed_ns


OF_OUTAGES: Final[Mapping[str, Callable[[Outage], Span]]] = {
    "outage": lambda o: (o.user, o.lost_ns, _or_never(o.authenticated_ns, o)),
    "notice": lambda o: (o.user, o.lost_ns, None if o.noticed_ns == o.lost_ns else o.noticed_ns),
    # files of older versions do not tell how much of an outage the client waited
    "backoff": lambda o: (o.user, o.lost_ns, o.lost_ns + o.backoff_ns if o.cause and o.authenticated_ns else None),
    "reconnect": lambda o: (
        o.user,
        (o.noticed_ns or o.lost_ns) + o.backoff_ns,
        _or_never(o.authenticated_ns, o) if o.cause else None,
    ),
    "recovery": lambda o: (o.user, o.lost_ns, _or_never(o.recovered_ns, o)),
    "queue_flush": lambda o: (o.user, o.authenticated_ns, _flushed(o)),
}
"""Metrics of outages."""


def event_samples(records: Records, key: str, user_class: str | None = None) -> Samples:
    """Samples of a metric of connections, of all users or of one class.

    Args:
        key: one of `EVENTS`.
    """
    if key == "queue_flush" and records.flushes:
        return _spans(map(_flush, _of_class(records.flushes, user_class)))
    if key in OF_OUTAGES:
        return _spans(map(OF_OUTAGES[key], _of_class(records.outages, user_class)))
    return _spans(_EVENT_SPANS[key](records, user_class))


def _logins(records: Records, user_class: str | None) -> Iterable[Span]:
    logins = records.logins if user_class is None else ()  # a login is of a user, whatever its class
    return ((login.user, login.began_ns, login.ended_ns) for login in logins if login.outcome == "ok")


def _connects(records: Records, user_class: str | None) -> Iterable[Span]:
    return ((c.user, c.began_ns, c.authenticated_ns) for c in _of_class(records.connects, user_class))


def _refusals(records: Records, user_class: str | None) -> Iterable[Span]:
    intruders = _of_class(records.intruders, user_class)
    return ((c.user, c.began_ns, c.ended_ns) for c in intruders if c.outcome in AUTH_REFUSALS)


def _closes(records: Records, user_class: str | None) -> Iterable[Span]:
    closes = _of_class(records.disconnects, user_class)
    return ((d.user, d.at_ns, d.at_ns + d.close_ns) for d in closes if d.close_ns is not None)


_EVENT_SPANS: Final[Mapping[str, Callable[[Records, str | None], Iterable[Span]]]] = {
    "login": _logins,
    "connect": _connects,
    "refusal": _refusals,
    "close": _closes,
}


def connect_part(records: Records, part: str) -> Samples:
    """Samples of a part of `connect`: `tcp`, `proxy`, `tls`, `upgrade` or `auth`, of the connects that succeeded."""
    lengths = (
        (c.user, c.began_ns, getattr(c, f"{part}_ns")) for c in records.connects if c.authenticated_ns is not None
    )
    return _spans((user, began, None if length is None else began + length) for user, began, length in lengths)


Event = TypeVar("Event", Connect, Disconnect, Outage, Flush)


def _of_class(events: Sequence[Event], user_class: str | None) -> Sequence[Event]:
    return events if user_class is None else [event for event in events if event.user_class == user_class]


def _spans(spans: Iterable[Span]) -> Samples:
    numbers: dict[str, int] = {}
    rows = [
        (end - begin, begin, numbers.setdefault(user, len(numbers)))
        for user, begin, end in spans
        if begin is not None and end is not None
    ]
    lasted, began, users = zip(*rows, strict=True) if rows else ((), (), ())
    return Samples(np.array(lasted, np.float64), np.array(began, np.int64), np.array(users, np.int64))
