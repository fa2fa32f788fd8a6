"""One user's view of the conversation, without I/O: frames and instants in, frames to send and finished records out.

Time is an argument everywhere (monotonic ns); nothing here reads a clock, a socket or a random source. A session keeps
an open entry for each message until its outcome and the fate of its answer are both known, then appends the finished
record to `ended`, which the caller empties. The `dialect` reads and writes frames; the `ledger` holds the messages;
`correlation` finds the message of a stream; a `stream` knows what it may bring next; those of others are `followed`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableSequence
from typing import Final, NamedTuple

from loadtest.client.correlation import Correlation, Matched
from loadtest.client.dialect import GUIDE, Dialect, quickest
from loadtest.client.expectation import Expectation
from loadtest.client.followed import FOREIGN, UNMATCHED, Followed
from loadtest.client.invalid import Invalid, spoilt
from loadtest.client.ledger import Ledger
from loadtest.client.membership import Membership, Span, Standing
from loadtest.client.message import Identity, OpenMessage
from loadtest.client.recent import Recent
from loadtest.client.reconnect import QUEUE_LIMIT
from loadtest.client.room import RoomLog, digest
from loadtest.client.stamps import fault
from loadtest.client.stream import Gaps, Stream, new_stream
from loadtest.client.tally import Tally
from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent
from loadtest.model import Message, Outcome, Stay, StreamState, Typed, Violation
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

FIRST_STREAM_GRACE_NS: Final = 5_000_000_000
"""How long the end of a run waits for an answer where no answer has been seen at all."""

NO_ACK: Final = "no ack"
NEVER_DELIVERED: Final = "received, never delivered"

_DELIVERED: Final = Outcome.DELIVERED  # to find a member in its enum takes as long as all else that a line does
_NAMED: Final = Matched.NAMED
_GOES_ON: Final = frozenset({StreamState.INTERRUPTED, StreamState.NOT_EXPECTED, Outcome.LOST})
"""Ends of a message that are not the server's: it may well go on with the answer, and breaks no rule by it."""


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
        "_correlation",
        "_decode",
        "_dialect",
        "_expectation",
        "_followed",
        "_gaps",
        "_guessed",
        "_ledger",
        "_membership",
        "_order",
        "_room",
        "_tally",
        "_timeout_ns",
        "_typing_in",
        "_unknown_fields",
        "_user_id",
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
        self._room = room if identity.client is not None else None
        self._membership = Membership()
        self._order = 0  # of the events of rooms that were received
        self._typing_in: str | None = None
        self._user_id: str | None = None  # as the server calls it
        self.answered: list[Answer] = []
        self._dialect = dialect
        self._decode, self._unknown_fields = quickest(dialect)
        self._expectation = expectation
        self._tally = tally
        self._gaps = Gaps(gaps, gap_bounds)
        self._timeout_ns = reply_timeout_ns
        self._ledger = Ledger(identity, queue_limit)
        self.ended: list[Message] = self._ledger.ended
        self._correlation = Correlation(self._ledger, dialect, alone=identity.client is None)
        self._answers: dict[str, tuple[OpenMessage, Stream]] = {}
        self._guessed: Recent[str] = Recent()  # how streams ended whose ids name no message
        self._followed = Followed(dialect.content, tally)

    def excerpt(self, text: str, length: int = 200) -> str:
        """What the server said, as it may go into records."""
        return excerpt(text, length, self.token)

    def leave_gaps_out(self) -> None:
        """Measure no gaps between chunks any more: whoever does not read at once only sees its own."""
        nowhere: deque[int] = deque(maxlen=0)
        self._gaps = Gaps(nowhere, nowhere)

    # --- sending ------------------------------------------------------------------------------------------------------
    @property
    def open(self) -> int:
        """Messages whose end is not known yet, queued ones included."""
        return len(self._ledger)

    def awaiting(self, now_ns: int) -> bool:
        """Whether anything sent may still be answered; messages that wait in the queue are not."""
        return any(not self._quiet(entry, now_ns) for entry in self._ledger)

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
        if self._room is not None:
            entry.digest = digest(entry.content)
            self._room.left(entry.message_id, now_ns)
        self._stayed(self._membership.sends(entry.conversation, now_ns))
        message = MessageSend(entry.message_id, entry.conversation, entry.content, stamp)
        encode = self._dialect.encode
        frame = encode(message) if entry.invalid is None else spoilt(message, entry.invalid, encode)
        self._ledger.sent(entry, now_ns, stamp)
        return frame

    # --- rooms --------------------------------------------------------------------------------------------------------
    def belongs(self, conversation: str) -> None:
        """The user belongs to a conversation, whether or not it ever sends there."""
        self._membership.belongs(conversation)

    def types(self, conversation: str, event: str, now_ns: int) -> None:
        """The user says that it types, or that it has stopped."""
        self._typing_in = conversation if event == "typing:start" else None
        self._typed(conversation, event, now_ns)

    def gone(self, lost_ns: int, told: bool = True) -> None:
        """The connection is gone, or the run over: the user is in no conversation and types nowhere.

        Args:
            lost_ns: when it was lost, which may be noticed late: what others sent from then on nobody owed it.
            told: whether the server knows of it, so that it has others told who typed; not of a half-open one.
        """
        self._stayed(self._membership.gone(lost_ns))
        if self._typing_in is not None and told:
            self._typed(self._typing_in, "gone", lost_ns)
        self._typing_in = None

    def _typed(self, conversation: str, event: str, now_ns: int) -> None:
        client = self.identity.client
        if self._room is not None and client is not None:
            self._room.typed(Typed(client, self.identity.user, conversation, event, now_ns))

    def _stayed(self, span: Span | None) -> None:
        client = self.identity.client
        if span is not None and self._room is not None and client is not None:
            self._room.stayed(Stay(client, self.identity.user, *span))

    def _is_member(self, event: str, conversation: str) -> bool:
        """Whether an event of others is of a conversation that the connection is in; else it is counted."""
        standing = self._membership.standing(conversation)
        if standing is Standing.MEMBER:
            return True
        if standing is Standing.NOT_YET:
            self._tally.add("before_joining", event)
        else:
            self._tally.add("leak", event if standing is Standing.OUTSIDER else f"{event} after leaving")
        return False

    def _record_receipt(
        self, event: str, conversation: str, author: str | None, at_ns: int, message_id: str = "", content: str = ""
    ) -> None:
        room, client = self._room, self.identity.client
        if room is not None and client is not None:
            self._order += 1
            code = digest(content) if message_id else None
            room.received(event, conversation, message_id, author, code, client, self._order, at_ns)

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
                self._give_up(entry)
                tally.add("stream_violation", Violation.AFTER_TIMEOUT)
                return event
            if entry.receive_lag_ns is None or lag_ns > entry.receive_lag_ns:
                entry.receive_lag_ns = lag_ns
            entry.progress_ns = at_ns
            violation = stream.take(event, len(data), at_ns, bound_ns)
            if violation is not None:
                tally.add("stream_violation", self._kind(violation, stream, event.content))
            if stream.over is not None:
                self._end_stream(entry, stream.over, None)
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
                self._user_id = event.user_id
            case ConnectionError_():
                self._tally.add("connection_error", self.excerpt(event.code or "none", 64))
                self._refuse_half_a_frame(event, at_ns)
            case _:
                pass  # the connection's own events are the client's business

    def _name_unknown_fields(self, data: Payload, event: ServerEvent) -> None:
        for name in self._unknown_fields(data, event):
            self._tally.add("unknown_field", f"{type(event).__struct_config__.tag}.{self.excerpt(name, 64)}")

    def _on_ack(self, ack: MessageAck, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        entry = self._ledger.on_wire(ack.message_id)
        if entry is None or entry.sent_ns is None:
            self._tally.add(self._stray_ack(ack), ack.status)
            return
        if self._overdue(entry, at_ns - bound_ns):  # not what may have come in time and was read late
            self._give_up(entry)
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
            self._membership.acked(entry.conversation, at_ns)
            self._finish_if_done(entry)
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
        self._membership.refused(entry.conversation, at_ns)
        reason = "rate limit" if limited else self.excerpt(text)
        self._close(entry, Outcome.REJECTED if limited else Outcome.ERROR, reason)

    def _on_broadcast(self, event: MessageReceive, at_ns: int) -> None:
        own, conversation = self._ledger.owns(event.message_id), event.conversation_id
        self._tally.add("broadcast", "own" if own else "other")
        if not own:
            self._correlation.saw_foreign(event.message_id)
        if own or self._is_member("message:receive", conversation):
            self._record_receipt("message:receive", conversation, event.author, at_ns, event.message_id, event.content)

    def _on_typing(self, event: TypingStart | TypingStop, name: str, at_ns: int) -> None:
        """Somebody types, or has stopped; who types is not told of it (guide, Typing Events)."""
        self._tally.add("typing_received", name.removeprefix("typing:"))
        if event.user_id is not None and event.user_id in (self._user_id, self.identity.user):
            # it may be this connection or another of the same user: the analysis knows whether there is one
            self._tally.add("typing_echo", name.removeprefix("typing:"))
        elif self._is_member(name, event.conversation_id):
            self._record_receipt(name, event.conversation_id, event.user_id, at_ns)

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
            self._end_stream(entry, StreamState.ERRORED, self.excerpt(event.text))

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
        elif not self._followed.fail(id_):
            if self._correlation.is_foreign(id_):
                self._tally.add("foreign_stream", StreamState.ERRORED)
            else:
                self._tally.add("error_unattributed", self.excerpt(event.text))

    # --- streams ------------------------------------------------------------------------------------------------------
    def _begin_stream(
        self, event: MessageStream, data: Payload, at_ns: int, bound_ns: int
    ) -> tuple[OpenMessage, Stream] | None:
        """A chunk of a stream that is not known to be ours: whose answer is it? None where it is nobody's here."""
        if self._followed.any and self._followed.take(event, len(data), at_ns, bound_ns):
            return None
        self._expectation.saw_stream()
        matched = self._correlation.match(event.message_id, event.conversation_id)
        if matched is None:
            self._on_stray_stream(event, len(data), at_ns, bound_ns)
            return None
        entry, how = matched
        if event.conversation_id not in ("", entry.conversation):
            self._tally.add("stream_oddity", "in another conversation than its question")
        if not event.content:
            self._tally.add("stream_oddity", "empty answer" if event.is_complete else "empty first chunk")
        if (wrong := fault(event.timestamp, entry.stamp)) is not None:
            self._tally.add("server_timestamp", wrong)
        self._name_unknown_fields(data, event)
        stream = new_stream(self._dialect.content, event.message_id, event.conversation_id, self._gaps)
        if how is not _NAMED:
            self._tally.add("stream_by_order", how)
            stream.guessed = True
        entry.stream = stream
        self._answers[event.message_id] = answer = (entry, stream)
        return answer

    def _on_stray_stream(self, event: MessageStream, size: int, at_ns: int, bound_ns: int) -> None:
        """A frame of a stream that answers no open message."""
        end = self._ledger.end_of(self._correlation.own(event.message_id))
        state = self._guessed.get(event.message_id) or end
        if state is None:
            if event.conversation_id:
                self._is_member("message:stream", event.conversation_id)
            counter = FOREIGN if self._correlation.is_foreign(event.message_id) else UNMATCHED
            self._followed.follow(event, size, at_ns, bound_ns, counter)
        elif state == StreamState.COMPLETED:
            late = Violation.SECOND_COMPLETION if event.is_complete else Violation.AFTER_COMPLETION
            self._tally.add("stream_violation", late)
        elif state in _GOES_ON:
            self._tally.add("late_stream_frame", state)
        else:
            self._tally.add("stream_violation", f"after {state}")

    def _kind(self, violation: Violation, stream: Stream, content: str) -> Violation:
        """What a violation is called that one stream alone cannot tell: rewritten, or in truth another's content."""
        if violation is not Violation.REWRITTEN or not content:
            return violation
        others = (other.answer for _, other in self._answers.values() if other is not stream and other.answer)
        if any(content.startswith(text) or text.startswith(content) for text in others):
            return Violation.FOREIGN
        return violation

    def _end_stream(self, entry: OpenMessage, state: StreamState, reason: str | None) -> None:
        if entry.stream_state is None:
            entry.stream_state = state
            if entry.stream is not None:
                entry.stream.over = state
                if entry.stream.cut_pairs:
                    self._tally.add("stream_oddity", "surrogate pair cut by a chunk", entry.stream.cut_pairs)
            if reason is not None and entry.reason is None:
                entry.reason = reason
        self._finish_if_done(entry)

    # --- endings ------------------------------------------------------------------------------------------------------
    def expire(self, now_ns: int) -> None:
        """Give up what has been silent for longer than the reply timeout."""
        for entry in self._ledger:
            if self._overdue(entry, now_ns):
                self._give_up(entry)
        self._followed.expire(now_ns - self._timeout_ns)

    def lost(self, code: int) -> int:
        """The connection went away: what was on it will not be answered. Queued messages stay.

        Returns:
            Messages that are lost with it.
        """
        lost = 0
        for entry in self._ledger:
            if entry.outcome is None:
                lost += 1
                self._close(entry, Outcome.LOST, f"closed {code}")
            else:
                self._close_stream(entry, StreamState.INTERRUPTED)
        self._followed.end_all(StreamState.INTERRUPTED)
        return lost

    def abandon(self, reason: str) -> None:
        """The client gave up, or left: queued messages are dropped."""
        for entry in self._ledger.take_queue():
            self._close(entry, Outcome.DROPPED, reason)

    def finish(self) -> None:
        """The run is over: whatever is open is unfinished."""
        for entry in (*self._ledger, *self._ledger.take_queue()):
            if entry.outcome is None:
                self._close(entry, Outcome.UNFINISHED, None)
            else:
                self._close_stream(entry, StreamState.UNFINISHED)
        self._followed.end_all(StreamState.UNFINISHED)

    def _quiet(self, entry: OpenMessage, now_ns: int) -> bool:
        """Delivered, and no answer is to be expected any more."""
        if entry.outcome is None or entry.stream is not None or self._expectation.stream:
            return False
        return now_ns - entry.progress_ns > FIRST_STREAM_GRACE_NS

    def _overdue(self, entry: OpenMessage, now_ns: int) -> bool:
        return entry.sent_ns is not None and now_ns - entry.progress_ns > self._timeout_ns

    def _give_up(self, entry: OpenMessage) -> None:
        if entry.outcome is None:
            reason = NO_ACK if entry.received_ns is None else NEVER_DELIVERED
            self._close(entry, Outcome.TIMEOUT, reason)
        else:
            self._close_stream(entry, StreamState.INCOMPLETE if entry.stream is not None else StreamState.MISSING)

    def _close_stream(self, entry: OpenMessage, state: StreamState) -> None:
        unexpected = entry.stream is None and not self._expectation.stream
        if entry.stream_state is None:
            entry.stream_state = StreamState.NOT_EXPECTED if unexpected else state
        self._close(entry, Outcome.DELIVERED, entry.reason)

    def _finish_if_done(self, entry: OpenMessage) -> None:
        if entry.outcome is not _DELIVERED:
            return
        if entry.stream_state is None and not self._expectation.worth_waiting and entry.stream is None:
            entry.stream_state = StreamState.NOT_EXPECTED
        if entry.stream_state is not None:
            self._close(entry, _DELIVERED, entry.reason)

    def _close(self, entry: OpenMessage, outcome: Outcome, reason: str | None) -> None:
        stream = entry.stream
        if stream is not None:
            self._answers.pop(stream.stream_id, None)
            if stream.guessed:
                self._guessed.remember(stream.stream_id, entry.stream_state or outcome)
        if outcome is _DELIVERED and entry.received_ns is None:
            self._tally.add("missing_ack", "received")
        self._ledger.close(entry, outcome, reason)
