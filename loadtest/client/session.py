"""One user's view of the conversation, without I/O: events and instants in, frames to send and finished records out.

Time is an argument everywhere (monotonic ns); nothing here reads a clock, a socket or a random source. A session keeps
an open entry for each message until its outcome and the fate of its answer are both known, then appends the finished
record to `ended`, which the caller empties.
"""

from __future__ import annotations

import re
from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from loadtest.client.reconnect import OfflineQueue
from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent
from loadtest.model import Message, Outcome, Population, StreamState
from loadtest.protocol import (
    STREAM_ID_PREFIX,
    ConnectionError_,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageSend,
    MessageStream,
    Payload,
    ServerEvent,
    TypingStart,
    TypingStop,
    decode_server_event,
    encode,
    excerpt,
    unknown_fields,
)

RECENT: Final = 64
"""Closed messages that a session remembers, to give what arrives late for them its right name."""

FIRST_STREAM_GRACE_NS: Final = 5_000_000_000
"""How long the end of a run waits for an answer where no answer has been seen at all."""

NO_ACK: Final = "no ack"
NEVER_DELIVERED: Final = "received, never delivered"

_RETRY_AFTER = re.compile(r"(?<!\d)(\d{1,9})\s*second")  # not what a column of 64 bits could not hold
_RATE_LIMITED = re.compile(r"rate.?limit", re.IGNORECASE)
_NAMES_A_MESSAGE = re.compile(rf"{STREAM_ID_PREFIX}msg-\d+-[0-9a-z]{{9}}")
"""A stream that is named after a message, which a client of the guide made: ours, or else certainly somebody else's."""


class Tally(Protocol):
    """Counts by name and key; what is counted for every frame has a plain attribute, at a sixth of the price."""

    frames_received: int
    bytes_received: int

    def add(self, name: str, key: str = "", value: int = 1) -> None: ...


class Identity(Struct, frozen=True):
    """Who the messages of a session belong to."""

    user: str
    user_class: str
    population: Population


class Answer(NamedTuple):
    """The final ack of one message."""

    message_id: str
    at_ns: int
    delivered: bool


class Expectation:
    """Whether answers are to be expected; shared by all sessions of a process, since one stream teaches all.

    Args:
        certain: True or False where the person said so; None to learn from the first stream seen.
    """

    __slots__ = ("_certain", "_seen")

    def __init__(self, certain: bool | None) -> None:
        self._certain = certain
        self._seen = False

    @property
    def stream(self) -> bool:
        """Whether a delivered message without an answer is missing one."""
        return self._seen if self._certain is None else self._certain

    @property
    def worth_waiting(self) -> bool:
        """Whether an answer may still come to a delivered message."""
        return self._certain is not False

    def saw_stream(self) -> None:
        self._seen = True


@dataclass(slots=True, eq=False)
class _Open:
    """A message whose end is not known yet; instants in ns. See `model.Message` for what becomes its record."""

    message_id: str
    conversation: str
    content: str
    intended_ns: int
    sent_ns: int | None = None
    handover_ns: int | None = None
    progress_ns: int = 0
    """When it was last heard of; the reply timeout counts from here."""
    queued: bool = False
    outcome: Outcome | None = None
    reason: str | None = None
    received_ns: int | None = None
    delivered_ns: int | None = None
    refused_ns: int | None = None
    retry_after_s: int | None = None
    duplicate_acks: int = 0
    stream_id: str | None = None
    stream_state: StreamState | None = None
    answer: str = ""
    """The cumulative content of its stream so far."""
    first_content_ns: int | None = None
    last_content_ns: int | None = None
    last_content_bound_ns: int = 0
    completed_ns: int | None = None
    longest_stall_ns: int | None = None
    chunks: int = 0
    stream_bytes: int = 0
    violations: int = 0
    received_bound_ns: int | None = None
    delivered_bound_ns: int | None = None
    first_content_bound_ns: int | None = None
    completed_bound_ns: int | None = None
    receive_lag_ns: int | None = None


class Session:
    """The ledger of one virtual user.

    Args:
        identity: put into every record.
        expectation: whether answers are expected.
        tally: counts what fits no record.
        gaps: gaps between progress chunks (ns) are appended here.
        gap_bounds: how far each of them may be off either way (ns), in the same order.
        reply_timeout_ns: longest silence before a message or stream is given up.

    Attributes:
        ended: finished records, for the caller to take and clear.
        answered: messages whose final ack has come since the caller last cleared it.
    """

    __slots__ = (
        "_by_order",
        "_expectation",
        "_foreign",
        "_gap_bounds",
        "_gaps",
        "_open",
        "_queue",
        "_recent",
        "_streams",
        "_tally",
        "_timeout_ns",
        "answered",
        "ended",
        "identity",
    )

    def __init__(
        self,
        identity: Identity,
        expectation: Expectation,
        tally: Tally,
        gaps: MutableSequence[int],
        gap_bounds: MutableSequence[int],
        reply_timeout_ns: int,
    ) -> None:
        self.identity = identity
        self.ended: list[Message] = []
        self.answered: list[Answer] = []
        self._expectation = expectation
        self._tally = tally
        self._gaps = gaps
        self._gap_bounds = gap_bounds
        self._timeout_ns = reply_timeout_ns
        self._open: dict[str, _Open] = {}
        self._streams: dict[str, _Open] = {}
        self._recent: dict[str, str] = {}
        self._queue: OfflineQueue[_Open] = OfflineQueue()
        self._foreign: dict[str, None] = {}
        self._by_order = True

    # --- sending ------------------------------------------------------------------------------------------------------
    @property
    def open(self) -> int:
        """Messages whose end is not known yet, queued ones included."""
        return len(self._open)

    @property
    def queued(self) -> int:
        """Messages that wait for a connection."""
        return len(self._queue)

    def awaiting(self, now_ns: int) -> bool:
        """Whether anything sent may still be answered; messages that wait in the queue are not."""
        return any(entry.sent_ns is not None and not self._quiet(entry, now_ns) for entry in self._open.values())

    def send(
        self, message_id: str, conversation: str, content: str, intended_ns: int, now_ns: int, stamp: str
    ) -> bytes:
        """A message leaves now: the frame to hand to the transport."""
        self._tally.add("messages_offered")
        entry = _Open(message_id, conversation, content, intended_ns)
        return self._leave(entry, now_ns, stamp)

    def handed_over(self, message_id: str, after_ns: int) -> None:
        """The socket has taken all of a message's frame, `after_ns` after its `sent_ns`."""
        entry = self._open.get(message_id)
        if entry is not None:
            entry.handover_ns = after_ns

    def enqueue(self, message_id: str, conversation: str, content: str, intended_ns: int) -> bool:
        """A message waits for a connection; returns whether the oldest was dropped for it."""
        self._tally.add("messages_offered")
        entry = _Open(message_id, conversation, content, intended_ns)
        entry.queued = True
        self._open[message_id] = entry
        dropped = self._queue.push(entry)
        if dropped is not None:
            self._close(dropped, Outcome.DROPPED, "offline queue full")
        return dropped is not None

    def flush(self, now_ns: int, stamp: str) -> list[tuple[str, bytes]]:
        """Authenticated: ids and frames of all queued messages, oldest first."""
        return [(entry.message_id, self._leave(entry, now_ns, stamp)) for entry in self._queue.take_all()]

    def _leave(self, entry: _Open, now_ns: int, stamp: str) -> bytes:
        entry.sent_ns = entry.progress_ns = now_ns
        self._open[entry.message_id] = entry
        frame = encode(MessageSend(entry.message_id, entry.conversation, entry.content, stamp))
        entry.content = ""
        return frame

    def _on_wire(self, message_id: str) -> _Open | None:
        """The open message of this id, unless it still waits for a connection and cannot have been answered."""
        entry = self._open.get(message_id)
        return entry if entry is not None and entry.sent_ns is not None else None

    # --- receiving ----------------------------------------------------------------------------------------------------
    def receive(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> ServerEvent | None:
        """Take one frame in; returns its event, or None where it was none (which is counted)."""
        self._tally.frames_received += 1
        self._tally.bytes_received += len(data)
        if not text:
            self._tally.add("binary_frame")
            return None
        try:
            event = decode_server_event(data)
        except MalformedFrame as error:
            self._tally.add("malformed_frame", str(error))
        except UnknownEvent as error:
            self._tally.add("unknown_event", excerpt(error.type))
        except InvalidEvent as error:
            self._tally.add("invalid_event", error.type)
        else:
            if isinstance(event, MessageStream):
                self._on_stream(event, data, at_ns, bound_ns, lag_ns)
            else:
                self._name_unknown_fields(data, event)
                self._on_event(event, at_ns, bound_ns, lag_ns)
            return event
        return None

    def _on_event(self, event: ServerEvent, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        match event:
            case MessageAck():
                self._on_ack(event, at_ns, bound_ns, lag_ns)
            case MessageReceive():
                self._on_broadcast(event)
            case MessageError():
                self._on_error(event, at_ns)
            case TypingStart() | TypingStop():
                self._tally.add("typing_received")
            case ConnectionError_():
                self._tally.add("connection_error", excerpt(event.code or "none", 64))
            case _:
                pass  # the connection's own events are the client's business

    def _name_unknown_fields(self, data: Payload, event: ServerEvent) -> None:
        for name in unknown_fields(data, event):
            self._tally.add("unknown_field", f"{type(event).__struct_config__.tag}.{excerpt(name, 64)}")

    def _on_ack(self, ack: MessageAck, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        entry = self._on_wire(ack.message_id)
        if entry is None or entry.sent_ns is None:
            self._tally.add(self._stray_ack(ack.message_id), ack.status)
            return
        if self._overdue(entry, at_ns):
            self._give_up(entry)
            self._tally.add("late_ack", ack.status)
            return
        entry.progress_ns = at_ns
        entry.receive_lag_ns = max(entry.receive_lag_ns or 0, lag_ns)
        bound_ns = min(bound_ns, at_ns - entry.sent_ns)  # an answer cannot have come before its question left
        if ack.status == "received" and entry.received_ns is None:
            entry.received_ns, entry.received_bound_ns = at_ns, bound_ns
        elif ack.status == "delivered" and entry.outcome is None:
            entry.delivered_ns, entry.delivered_bound_ns = at_ns, bound_ns
            entry.outcome = Outcome.DELIVERED
            self.answered.append(Answer(entry.message_id, at_ns, True))
            self._finish_if_done(entry)
        elif ack.status == "error" and entry.outcome is None:
            self._refuse(entry, ack.error or "unspecified", at_ns)
        else:
            entry.duplicate_acks += 1
            self._tally.add("duplicate_ack", ack.status)

    def _stray_ack(self, message_id: str) -> str:
        closed_as = self._recent.get(message_id)
        if closed_as is None:
            return "unmatched_ack"
        return "late_ack" if closed_as == Outcome.TIMEOUT else "duplicate_ack"

    def _refuse(self, entry: _Open, text: str, at_ns: int) -> None:
        entry.refused_ns = at_ns
        limited = _RATE_LIMITED.search(text) is not None
        promised = _RETRY_AFTER.search(text)
        if limited and promised is not None:
            entry.retry_after_s = int(promised[1])
        self.answered.append(Answer(entry.message_id, at_ns, False))
        reason = "rate limit" if limited else excerpt(text)
        self._close(entry, Outcome.REJECTED if limited else Outcome.ERROR, reason)

    def _on_broadcast(self, event: MessageReceive) -> None:
        own = event.message_id in self._open or event.message_id in self._recent
        self._tally.add("broadcast", "own" if own else "other")
        if not own:
            self._foreign[event.message_id] = None
            if len(self._foreign) > RECENT:
                self._foreign.pop(next(iter(self._foreign)))

    def _on_error(self, event: MessageError, at_ns: int) -> None:
        if event.message_id is None:
            unanswered = [entry for entry in self._open.values() if entry.sent_ns is not None and entry.outcome is None]
            if len(unanswered) == 1:
                self._refuse(unanswered[0], event.text, at_ns)
            else:
                self._tally.add("error_unattributed", excerpt(event.text))
            return
        entry = self._streams.get(event.message_id) or self._on_wire(event.message_id.removeprefix(STREAM_ID_PREFIX))
        if entry is None:
            self._tally.add("error_unattributed", excerpt(event.text))
        elif entry.outcome is None and event.message_id == entry.message_id:
            self._refuse(entry, event.text, at_ns)
        else:
            self._end_stream(entry, StreamState.ERRORED, excerpt(event.text))

    # --- streams ------------------------------------------------------------------------------------------------------
    def _on_stream(self, event: MessageStream, data: Payload, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        entry = self._streams.get(event.message_id)
        if entry is None:
            self._expectation.saw_stream()
            entry = self._correlate(event)
            if entry is None:
                self._name_stray(event)
                return
            self._name_unknown_fields(data, event)
        if at_ns - entry.progress_ns > self._timeout_ns:
            self._give_up(entry)
            self._tally.add("stream_violation", "after the timeout")
            return
        entry.chunks += 1
        entry.stream_bytes += len(data)
        if entry.receive_lag_ns is None or lag_ns > entry.receive_lag_ns:
            entry.receive_lag_ns = lag_ns
        entry.progress_ns = at_ns
        self._progress(entry, event, at_ns, bound_ns)
        if event.is_complete:
            if entry.stream_state is not None:
                self._violate(entry, "second completion")
                return
            entry.completed_ns = at_ns
            entry.completed_bound_ns = bound_ns
            self._end_stream(entry, StreamState.COMPLETED, None)

    def _progress(self, entry: _Open, event: MessageStream, at_ns: int, bound_ns: int) -> None:
        before, content = entry.answer, event.content
        if entry.stream_state is not None:
            if not event.is_complete:
                self._violate(entry, "after completion")
            return
        if content == before:
            if not event.is_complete and entry.chunks > 1:
                self._violate(entry, "repeated")
            return
        if not content.startswith(before):
            self._violate(entry, "shrunk" if before.startswith(content) else "rewritten")
        if entry.last_content_ns is None:
            entry.first_content_ns = at_ns
            entry.first_content_bound_ns = bound_ns if entry.sent_ns is None else min(bound_ns, at_ns - entry.sent_ns)
        else:
            gap = at_ns - entry.last_content_ns
            self._gaps.append(gap)
            self._gap_bounds.append(bound_ns + entry.last_content_bound_ns)
            if entry.longest_stall_ns is None or gap > entry.longest_stall_ns:
                entry.longest_stall_ns = gap
        entry.last_content_ns = at_ns
        entry.last_content_bound_ns = bound_ns
        entry.answer = content

    def _correlate(self, event: MessageStream) -> _Open | None:
        """The message that a stream of a new id answers: by `ai-` prefix, then the same id, then by order."""
        id_ = event.message_id
        entry = self._on_wire(id_) or self._on_wire(id_.removeprefix(STREAM_ID_PREFIX))
        if entry is not None:
            self._by_order = False  # the server names its streams, so guessing could only be wrong from here on
        elif self._by_order and not self._known(id_):
            entry = next((e for e in self._open.values() if self._awaits_stream(e, event.conversation_id)), None)
        if entry is None or entry.stream_id is not None:
            return None
        entry.stream_id = id_
        self._streams[id_] = entry
        return entry

    def _known(self, id_: str) -> bool:
        if id_ in self._recent or id_.removeprefix(STREAM_ID_PREFIX) in self._foreign or id_ in self._foreign:
            return True
        # Somebody asked before we were in the conversation: no broadcast told us whose message that was.
        return _NAMES_A_MESSAGE.fullmatch(id_) is not None

    def _awaits_stream(self, entry: _Open, conversation: str) -> bool:
        return (
            entry.outcome is Outcome.DELIVERED
            and entry.stream_id is None
            and conversation in ("", entry.conversation)
            and not self._foreign
        )

    def _name_stray(self, event: MessageStream) -> None:
        state = self._recent.get(event.message_id) or self._recent.get(event.message_id.removeprefix(STREAM_ID_PREFIX))
        if state == StreamState.COMPLETED:
            self._tally.add("stream_violation", "second completion" if event.is_complete else "after completion")
        elif state is not None:
            self._tally.add("stream_violation", f"after {state}")
        elif self._known(event.message_id):
            self._tally.add("foreign_stream_frame")
        else:
            self._tally.add("unmatched_stream")

    def _violate(self, entry: _Open, kind: str) -> None:
        entry.violations += 1
        self._tally.add("stream_violation", kind)

    def _end_stream(self, entry: _Open, state: StreamState, reason: str | None) -> None:
        if entry.stream_state is None:
            entry.stream_state = state
            if reason is not None and entry.reason is None:
                entry.reason = reason
        self._finish_if_done(entry)

    # --- endings ------------------------------------------------------------------------------------------------------
    def expire(self, now_ns: int) -> None:
        """Give up what has been silent for longer than the reply timeout."""
        for entry in [entry for entry in self._open.values() if self._overdue(entry, now_ns)]:
            self._give_up(entry)

    def lost(self, code: int) -> None:
        """The connection went away: what was on it will not be answered. Queued messages stay."""
        for entry in [entry for entry in self._open.values() if entry.sent_ns is not None]:
            if entry.outcome is None:
                self._close(entry, Outcome.LOST, f"closed {code}")
            else:
                self._close_stream(entry, StreamState.INTERRUPTED)

    def abandon(self, reason: str) -> None:
        """The client gave up for good: queued messages are dropped."""
        for entry in self._queue.take_all():
            self._close(entry, Outcome.DROPPED, reason)

    def finish(self) -> None:
        """The run is over: whatever is open is unfinished."""
        self._queue.take_all()
        for entry in list(self._open.values()):
            if entry.outcome is None:
                self._close(entry, Outcome.UNFINISHED, None)
            else:
                self._close_stream(entry, StreamState.UNFINISHED)

    def _quiet(self, entry: _Open, now_ns: int) -> bool:
        """Delivered, and no answer is to be expected any more."""
        if entry.outcome is None or entry.stream_id is not None or self._expectation.stream:
            return False
        return now_ns - entry.progress_ns > FIRST_STREAM_GRACE_NS

    def _overdue(self, entry: _Open, now_ns: int) -> bool:
        return entry.sent_ns is not None and now_ns - entry.progress_ns > self._timeout_ns

    def _give_up(self, entry: _Open) -> None:
        if entry.outcome is None:
            reason = NO_ACK if entry.received_ns is None else NEVER_DELIVERED
            self._close(entry, Outcome.TIMEOUT, reason)
        else:
            self._close_stream(entry, StreamState.INCOMPLETE if entry.stream_id else StreamState.MISSING)

    def _close_stream(self, entry: _Open, state: StreamState) -> None:
        unexpected = entry.stream_id is None and not self._expectation.stream
        if entry.stream_state is None:
            entry.stream_state = StreamState.NOT_EXPECTED if unexpected else state
        self._close(entry, Outcome.DELIVERED, entry.reason)

    def _finish_if_done(self, entry: _Open) -> None:
        if entry.outcome is not Outcome.DELIVERED:
            return
        if entry.stream_state is None and not self._expectation.worth_waiting and entry.stream_id is None:
            entry.stream_state = StreamState.NOT_EXPECTED
        if entry.stream_state is not None:
            self._close(entry, Outcome.DELIVERED, entry.reason)

    def _close(self, entry: _Open, outcome: Outcome, reason: str | None) -> None:
        entry.outcome, entry.reason = outcome, reason
        self._open.pop(entry.message_id, None)
        self._remember(entry.message_id, outcome)
        if entry.stream_id is not None:
            self._streams.pop(entry.stream_id, None)
            self._remember(entry.stream_id, entry.stream_state or outcome)
        self.ended.append(self._record(entry, outcome))

    def _remember(self, id_: str, how: str) -> None:
        self._recent[id_] = how
        if len(self._recent) > RECENT:
            self._recent.pop(next(iter(self._recent)))

    def _record(self, entry: _Open, outcome: Outcome) -> Message:
        return Message(
            user=self.identity.user,
            user_class=self.identity.user_class,
            population=Population.QUEUED if entry.queued else self.identity.population,
            conversation=entry.conversation,
            message_id=entry.message_id,
            intended_ns=entry.intended_ns,
            sent_ns=entry.sent_ns,
            outcome=outcome,
            reason=entry.reason,
            received_ns=entry.received_ns,
            delivered_ns=entry.delivered_ns,
            refused_ns=entry.refused_ns,
            stream_state=entry.stream_state if outcome is Outcome.DELIVERED else None,
            first_content_ns=entry.first_content_ns,
            last_content_ns=entry.last_content_ns,
            completed_ns=entry.completed_ns,
            chunks=entry.chunks,
            chars=len(entry.answer),
            stream_bytes=entry.stream_bytes,
            longest_stall_ns=entry.longest_stall_ns,
            violations=entry.violations,
            duplicate_acks=entry.duplicate_acks,
            retry_after_s=entry.retry_after_s,
            received_bound_ns=entry.received_bound_ns,
            delivered_bound_ns=entry.delivered_bound_ns,
            first_content_bound_ns=entry.first_content_bound_ns,
            completed_bound_ns=entry.completed_bound_ns,
            receive_lag_ns=entry.receive_lag_ns,
            handover_ns=entry.handover_ns,
        )
