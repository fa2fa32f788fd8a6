"""One user's view of the conversation, without I/O: frames and instants in, frames to send and finished records out.

Time is an argument everywhere (monotonic ns); nothing here reads a clock, a socket or a random source. A session keeps
an open entry for each message until its outcome and the fate of its answer are both known, then appends the finished
record to `ended`, which the caller empties. The `dialect` reads and writes frames; the `ledger` holds the messages, and
`endings` says how each ends; `streams` finds the message that a stream answers; `attendance` is the user in its rooms.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Final, NamedTuple

from loadtest.client.attendance import Attendance
from loadtest.client.correlation import Correlation
from loadtest.client.dialect import GUIDE, Dialect, quickest
from loadtest.client.endings import Endings
from loadtest.client.expectation import Expectation
from loadtest.client.invalid import Invalid, spoilt
from loadtest.client.ledger import Ledger
from loadtest.client.message import Identity, OpenMessage
from loadtest.client.offline_queue import QUEUE_LIMIT
from loadtest.client.room import RoomLog
from loadtest.client.stamps import fault
from loadtest.client.stream import Gaps, Stream
from loadtest.client.streams import Streams
from loadtest.client.tally import Tally
from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent
from loadtest.model import Message, Outcome, StreamState, Violation
from loadtest.protocol import (
    ConnectionAuthenticated,
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
    excerpt,
)

_DELIVERED: Final = Outcome.DELIVERED  # to find a member in its enum takes as long as all else that a line does


class Answer(NamedTuple):
    """The final ack of one message; `limited` where the rate limit refused it."""

    message_id: str
    at_ns: int
    delivered: bool
    limited: bool = False


class Session:
    """The conversation of one virtual user.

    Args:
        identity: put into every record.
        expectation: whether answers are expected.
        tally: counts what fits no record.
        gaps: gaps between progress chunks (ns) are appended here.
        gap_bounds: how far each of them may be off either way (ns), in the same order.
        reply_timeout_ns: longest silence before a message or stream is given up.
        dialect: how the server words the guide's events.
        room: told of what happens in a room, of a client that has a number; None outside of rooms.
        queue_limit: messages that may wait for a connection.

    Attributes:
        ended: finished records, for the caller to take and clear.
        answered: messages whose final ack has come since the caller last cleared it.
        token: what the user shows the server, which may tell it in what it says.
    """

    __slots__ = (
        "_answers",
        "_attendance",
        "_correlation",
        "_decode",
        "_dialect",
        "_endings",
        "_ledger",
        "_streams",
        "_tally",
        "_timeout_ns",
        "_unknown_fields",
        "answered",
        "ended",
        "identity",
        "token",
    )

    def __init__(
        self,
        identity: Identity,
        expectation: Expectation,
        tally: Tally,
        gaps: MutableSequence[int],
        gap_bounds: MutableSequence[int],
        reply_timeout_ns: int,
        dialect: Dialect = GUIDE,
        room: RoomLog | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.identity = identity
        self.token = ""
        self.answered: list[Answer] = []
        self._dialect = dialect
        self._decode, self._unknown_fields = quickest(dialect)
        self._tally = tally
        self._timeout_ns = reply_timeout_ns
        self._ledger = Ledger(identity, queue_limit)
        self.ended: list[Message] = self._ledger.ended
        self._correlation = Correlation(self._ledger, dialect, alone=identity.client is None)
        self._attendance = Attendance(identity, room, tally)
        self._endings = Endings(self._ledger, expectation, tally, reply_timeout_ns)
        self._answers = self._endings.answers
        self._streams = Streams(
            self._ledger,
            self._correlation,
            self._endings,
            self._attendance,
            expectation,
            dialect.content,
            Gaps(gaps, gap_bounds),
            tally,
        )

    def excerpt(self, text: str, length: int = 200) -> str:
        """What the server said, as it may go into records."""
        return excerpt(text, length, self.token)

    def leave_gaps_out(self) -> None:
        """Measure no gaps between chunks any more: whoever does not read at once only sees its own."""
        self._streams.leave_gaps_out()

    # --- sending ------------------------------------------------------------------------------------------------------
    @property
    def open(self) -> int:
        """Messages whose end is not known yet, queued ones included."""
        return len(self._ledger)

    @property
    def expecting(self) -> bool:
        """Whether anything may yet be silent for too long: a message, or a stream of others."""
        return len(self._ledger) > 0 or len(self._streams.followed) > 0

    def awaiting(self, now_ns: int) -> bool:
        """Whether anything sent may still be answered; messages that wait in the queue are not."""
        return self._endings.awaiting(now_ns)

    def send(
        self,
        message_id: str,
        conversation: str,
        content: str,
        intended_ns: int,
        now_ns: int,
        stamp: str,
        invalid: Invalid | None = None,
    ) -> bytes:
        """A message leaves now: the frame to hand to the transport."""
        entry = OpenMessage(message_id, conversation, content, intended_ns, invalid=invalid)
        frame = self._leave(entry, now_ns, stamp)  # first: what a dialect cannot say was never offered
        self._tally.add("messages_offered")
        return frame

    def handed_over(self, message_id: str, after_ns: int) -> None:
        """The socket has taken all of a message's frame, `after_ns` after its `sent_ns`."""
        entry = self._ledger.get(message_id)
        if entry is not None:
            entry.handover_ns = after_ns

    def enqueue(
        self, message_id: str, conversation: str, content: str, intended_ns: int, invalid: Invalid | None = None
    ) -> bool:
        """A message waits for a connection; returns whether the oldest was dropped for it."""
        self._tally.add("messages_offered")
        return self._ledger.wait(OpenMessage(message_id, conversation, content, intended_ns, invalid=invalid))

    def flush(self, now_ns: int, stamp: str) -> list[tuple[str, bytes]]:
        """Authenticated: ids and frames of all queued messages, oldest first."""
        return [(entry.message_id, self._leave(entry, now_ns, stamp)) for entry in self._ledger.take_queue()]

    def _leave(self, entry: OpenMessage, now_ns: int, stamp: str) -> bytes:
        self._attendance.sends(entry, now_ns)
        message = MessageSend(entry.message_id, entry.conversation, entry.content, stamp)
        encode = self._dialect.encode
        frame = encode(message) if entry.invalid is None else spoilt(message, entry.invalid, encode)
        self._ledger.sent(entry, now_ns, stamp)
        return frame

    # --- rooms --------------------------------------------------------------------------------------------------------
    def belongs(self, conversation: str) -> None:
        """The user belongs to a conversation, whether or not it ever sends there."""
        self._attendance.belongs(conversation)

    def types(self, conversation: str, event: str, now_ns: int) -> None:
        """The user says that it types, or that it has stopped."""
        self._attendance.types(conversation, event, now_ns)

    def gone(self, lost_ns: int, told: bool = True) -> None:
        """The connection is gone, or the run over: the user is in no conversation and types nowhere.

        Args:
            lost_ns, told: see `Attendance.gone`.
        """
        self._attendance.gone(lost_ns, told)

    # --- receiving ----------------------------------------------------------------------------------------------------
    def receive(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> ServerEvent | None:
        """Take one frame in; returns its event, or None where it was none (which is counted)."""
        tally = self._tally
        tally.frames_received += 1
        tally.bytes_received += len(data)
        if not text:
            self._tally.add("binary_frame")
            return None
        try:
            event = self._decode(data)
        except Exception as error:  # noqa: BLE001 - a mistake in a locustfile's dialect must not deafen the connection
            self._name_failure(error)
            return None
        if type(event) is MessageStream:  # nine frames of ten: no call more than it takes, and isinstance is slower
            answer = self._answers.get(event.message_id) or self._begin_stream(event, data, at_ns, bound_ns)
            if answer is None:
                return event
            entry, stream = answer
            if at_ns - bound_ns - entry.progress_ns > self._timeout_ns:
                self._endings.give_up(entry)
                tally.add("stream_violation", Violation.AFTER_TIMEOUT)
                return event
            if entry.receive_lag_ns is None or lag_ns > entry.receive_lag_ns:
                entry.receive_lag_ns = lag_ns
            entry.progress_ns = at_ns
            violation = stream.take(event, len(data), at_ns, bound_ns)
            if violation is not None:
                tally.add("stream_violation", violation)
            if stream.over is not None:
                self._endings.end_stream(entry, stream.over, None)
        elif event is None:
            tally.add("ignored_frame")
        else:
            self._name_unknown_fields(data, event)
            self._on_event(event, at_ns, bound_ns, lag_ns)
        return event

    def _name_failure(self, error: Exception) -> None:
        """Count a frame that could not be decoded, under what is wrong with it."""
        match error:
            case MalformedFrame():
                self._tally.add("malformed_frame", str(error))
            case UnknownEvent():
                self._tally.add("unknown_event", self.excerpt(error.type))
            case InvalidEvent():
                self._tally.add("invalid_event", self.excerpt(error.type))
            case _:
                self._tally.add("dialect_error", type(error).__name__)

    def _on_event(self, event: ServerEvent, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        match event:
            case MessageAck():
                self._on_ack(event, at_ns, bound_ns, lag_ns)
            case MessageReceive():
                self._on_broadcast(event, at_ns)
            case MessageError():
                self._on_error(event, at_ns)
            case TypingStart():
                self._on_typing(event, "typing:start", at_ns)
            case TypingStop():
                self._on_typing(event, "typing:stop", at_ns)
            case ConnectionAuthenticated():
                self._attendance.user_id = event.user_id
            case ConnectionError_():
                self._tally.add("connection_error", self.excerpt(event.code or "none", 64))
                self._refuse_half_a_frame(event, at_ns)
            case _:
                pass  # the connection's own events are the client's business

    def _name_unknown_fields(self, data: Payload, event: ServerEvent) -> None:
        try:
            for name in self._unknown_fields(data, event):
                self._tally.add("unknown_field", f"{type(event).__struct_config__.tag}.{self.excerpt(name, 64)}")
        except Exception as error:  # noqa: BLE001 - a dialect's mistake like one in `decode`; the event goes on
            self._tally.add("dialect_error", type(error).__name__)

    def _on_ack(self, ack: MessageAck, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        entry = self._ledger.on_wire(ack.message_id)
        if entry is None or entry.sent_ns is None:
            self._tally.add(self._stray_ack(ack), ack.status)
            return
        if self._endings.overdue(entry, at_ns - bound_ns):  # not what may have come in time and was read late
            self._endings.give_up(entry)
            self._tally.add("late_ack", ack.status)
            return
        entry.progress_ns = at_ns
        entry.receive_lag_ns = max(entry.receive_lag_ns or 0, lag_ns)
        bound_ns = min(bound_ns, at_ns - entry.sent_ns)  # an answer cannot have come before its question left
        if ack.status == "received" and entry.received_ns is None:
            entry.received_ns, entry.received_bound_ns = at_ns, bound_ns
            if entry.outcome is not None:
                self._tally.add("reordered_ack", ack.status)
        elif ack.status == "delivered" and entry.outcome is None:
            entry.delivered_ns, entry.delivered_bound_ns = at_ns, bound_ns
            entry.outcome = _DELIVERED
            if (wrong := fault(ack.timestamp, entry.stamp)) is not None:
                self._tally.add("server_timestamp", wrong)
            self.answered.append(Answer(entry.message_id, at_ns, True))
            self._attendance.acked(entry.conversation, at_ns)
            self._endings.finish_if_done(entry)
        elif ack.status == "error" and entry.outcome is None:
            self._refuse(entry, ack.error or "unspecified", at_ns)
        else:
            entry.duplicate_acks += 1
            self._tally.add("duplicate_ack", ack.status)

    def _stray_ack(self, ack: MessageAck) -> str:
        """What an ack is called that no open message waits for."""
        end = self._ledger.end_of(ack.message_id)
        if end is None:
            return "unmatched_ack"
        return "late_ack" if end in (Outcome.TIMEOUT, Outcome.LOST) else "duplicate_ack"

    def _refuse(self, entry: OpenMessage, text: str, at_ns: int) -> None:
        entry.refused_ns = at_ns
        limited, entry.retry_after_s = self._dialect.refusal(text)
        self.answered.append(Answer(entry.message_id, at_ns, False, limited))
        self._attendance.refused(entry.conversation, at_ns)
        reason = "rate limit" if limited else self.excerpt(text)
        self._endings.close(entry, Outcome.REJECTED if limited else Outcome.ERROR, reason)

    def _on_broadcast(self, event: MessageReceive, at_ns: int) -> None:
        own, conversation = self._ledger.owns(event.message_id), event.conversation_id
        self._tally.add("broadcast", "own" if own else "other")
        if not own:
            self._correlation.saw_foreign(event.message_id)
        if own or self._attendance.is_member("message:receive", conversation):
            self._attendance.received(
                "message:receive", conversation, event.author, at_ns, event.message_id, event.content
            )

    def _on_typing(self, event: TypingStart | TypingStop, name: str, at_ns: int) -> None:
        """Somebody types, or has stopped; who types is not told of it (guide, Typing Events)."""
        self._tally.add("typing_received", name.removeprefix("typing:"))
        if self._attendance.is_own(event.user_id):
            # it may be this connection or another of the same user: the analysis knows whether there is one
            self._tally.add("typing_echo", name.removeprefix("typing:"))
        elif self._attendance.is_member(name, event.conversation_id):
            self._attendance.received(name, event.conversation_id, event.user_id, at_ns)

    def _on_error(self, event: MessageError, at_ns: int) -> None:
        id_ = event.message_id
        if id_ is None:
            self._on_nameless_error(event, at_ns)
            return
        answer = self._answers.get(id_)
        entry = answer[0] if answer is not None else self._ledger.on_wire(self._correlation.own(id_))
        if entry is None:
            self._on_stray_error(event, id_)
        elif entry.outcome is None and id_ == entry.message_id:
            self._refuse(entry, event.text, at_ns)
        else:
            self._endings.end_stream(entry, StreamState.ERRORED, self.excerpt(event.text))

    def _on_nameless_error(self, event: MessageError, at_ns: int) -> None:
        """An error that names no message is about the only open one, if there is only one."""
        unanswered = [entry for entry in self._ledger if entry.outcome is None]
        if len(unanswered) == 1:
            self._refuse(unanswered[0], event.text, at_ns)
        else:
            self._tally.add("error_unattributed", self.excerpt(event.text))

    def _refuse_half_a_frame(self, event: ConnectionError_, at_ns: int) -> None:
        """What is no JSON can only be answered by an error of the connection: that of the only such frame, if any."""
        halves = [entry for entry in self._ledger if entry.invalid is Invalid.CUT and entry.outcome is None]
        if len(halves) == 1:
            self._refuse(halves[0], self.excerpt(event.message), at_ns)

    def _on_stray_error(self, event: MessageError, id_: str) -> None:
        end = self._ledger.end_of(self._correlation.own(id_))
        if end is not None:
            self._tally.add("late_error", end)
        elif not self._streams.followed.fail(id_):
            if self._correlation.is_foreign(id_):
                self._tally.add("foreign_stream", StreamState.ERRORED)
            else:
                self._tally.add("error_unattributed", self.excerpt(event.text))

    def _begin_stream(
        self, event: MessageStream, data: Payload, at_ns: int, bound_ns: int
    ) -> tuple[OpenMessage, Stream] | None:
        answer = self._streams.begin(event, len(data), at_ns, bound_ns)
        if answer is not None:
            self._name_unknown_fields(data, event)
        return answer

    # --- endings ------------------------------------------------------------------------------------------------------
    def expire(self, now_ns: int) -> None:
        """Give up what has been silent for longer than the reply timeout."""
        self._endings.expire(now_ns)
        self._streams.followed.expire(now_ns - self._timeout_ns)

    def lost(self, code: int) -> int:
        """The connection went away: what was on it will not be answered. Queued messages stay.

        Returns:
            Messages that are lost with it.
        """
        lost = self._endings.lost(code)
        self._streams.followed.end_all(StreamState.INTERRUPTED)
        return lost

    def abandon(self, reason: str) -> None:
        """The client gave up, or left: queued messages are dropped."""
        self._endings.abandon(reason)

    def finish(self) -> None:
        """The run is over: whatever is open is unfinished."""
        self._endings.finish()
        self._streams.followed.end_all(StreamState.UNFINISHED)
