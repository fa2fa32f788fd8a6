"""The guide's rules for clients that are authenticated: what each of their frames brings about, and for whom."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from websockets.asyncio.server import ServerConnection

from loadtest.errors import InvalidEvent, MalformedFrame, UnknownEvent
from loadtest.protocol import (
    CONTENT_MAX,
    CONTENT_MIN,
    MESSAGE_ERROR,
    STREAM_ID_PREFIX,
    TYPING_AUTO_STOP_S,
    VALIDATION_ERROR,
    ConnectionError_,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageSend,
    MessageStream,
    ServerEvent,
    TypingStart,
    TypingStop,
    decode_client_event,
    timestamp,
    utf16_length,
)

from .answers import AnswerWriter
from .counts import ServerCounts
from .limiter import FixedWindow
from .options import ServerOptions
from .post import Post
from .rooms import Rooms
from .streams import Stream
from .truth import MessageTruth, TruthLog
from .typists import Typist


class Participant:
    """An authenticated connection.

    Attributes:
        connection: its WebSocket.
        user: user id that its token claims; several connections may share it.
        typist: what it is typing.
    """

    __slots__ = ("connection", "typist", "user")

    def __init__(self, connection: ServerConnection, user: str) -> None:
        self.connection = connection
        self.user = user
        self.typist = Typist()


class Chat:
    """All conversations of one server.

    Nothing here waits for a socket: a frame is handled to its end before the next one, so the acks and the broadcast of
    a message are never interleaved with another's. Only answers take time; each is a `Stream`.

    Args:
        options: the rules that can be set.
        counts: where everything is counted.
        post: how events are written.
        truth: where the moments of each message go.
    """

    def __init__(self, options: ServerOptions, counts: ServerCounts, post: Post, truth: TruthLog) -> None:
        self._counts = counts
        self._post = post
        self._truth = truth
        self._limiter = FixedWindow(options.rate_limit) if options.rate_limit else None
        self._writer = AnswerWriter(options.answers) if options.answers else None
        self._rooms: Rooms[Participant] = Rooms()
        self._streams: set[Stream] = set()

    def read(self, sender: Participant, frame: bytes) -> None:
        """Do what a frame asks for, or say why not."""
        read_ns = time.monotonic_ns()
        self._counts.frames_read += 1
        self._counts.bytes_read += len(frame)
        try:
            event = decode_client_event(frame)
        except MalformedFrame:
            self._counts.malformed += 1
            self._error(sender, MESSAGE_ERROR, "Invalid JSON")
        except UnknownEvent as unknown:
            self._counts.unknown_types += 1
            self._error(sender, VALIDATION_ERROR, f"Unknown event type: {unknown.type}")
        except InvalidEvent as invalid:
            self._invalid(sender, invalid)
        else:
            match event:
                case MessageSend():
                    self._message(sender, event, read_ns)
                case TypingStart():
                    self._typing_start(sender, event.conversation_id)
                case TypingStop():
                    self._typing_stop(sender, event.conversation_id)

    def leave(self, participant: Participant) -> None:
        """The connection is gone: it stops typing, and takes part in nothing."""
        self._rooms.leave(participant)
        for conversation in participant.typist.conversations():
            self._typing_stop(participant, conversation)

    def close(self) -> None:
        """Break off the answers that are under way."""
        for stream in tuple(self._streams):
            stream.cancel()

    # --- Messages -----------------------------------------------------------------------------------------------------
    def _message(self, sender: Participant, message: MessageSend, read_ns: int) -> None:
        self._counts.messages += 1
        if problem := _problem(message):
            self._message_error(sender, problem)
        elif self._limiter is not None and (wait_s := self._limiter.take(sender.user, read_ns)):
            self._reject(sender, message, wait_s, read_ns)
        else:
            self._deliver(sender, message, read_ns)

    def _reject(self, sender: Participant, message: MessageSend, wait_s: int, read_ns: int) -> None:
        self._counts.rejected += 1
        error = f"Rate limit exceeded. Try again in {wait_s} seconds"
        written = self._reply(sender, MessageAck(message.message_id, "error", error, timestamp=_now()))
        self._truth.add(MessageTruth(message.message_id, read_ns, rejected_ns=self._moment(written)))

    def _deliver(self, sender: Participant, message: MessageSend, read_ns: int) -> None:
        """In the order of the guide: ack `received`, broadcast, ack `delivered`, answer."""
        truth = MessageTruth(message.message_id, read_ns)
        written = self._reply(sender, MessageAck(message.message_id, "received", timestamp=_now()))
        self._counts.received_acks += written
        truth.received_ns = self._moment(written)

        self._rooms.join(sender, message.conversation_id)
        truth.broadcast_ns = self._broadcast(sender, message)

        written = self._reply(sender, MessageAck(message.message_id, "delivered", timestamp=_now()))
        self._counts.delivered_acks += written
        truth.delivered_ns = self._moment(written)
        self._answer(message, truth)

    def _broadcast(self, sender: Participant, message: MessageSend) -> int | None:
        """Write it to all of its conversation; when that was."""
        event = MessageReceive(
            message_id=message.message_id,
            conversation_id=message.conversation_id,
            content=message.content,
            user_id=sender.user,
            timestamp=_now(),
        )
        self._counts.broadcasts += 1
        written = self._post.send(event, self._sockets(message.conversation_id))
        self._counts.receive_frames += written
        return self._moment(written)

    # --- Answers ------------------------------------------------------------------------------------------------------
    def _answer(self, message: MessageSend, truth: MessageTruth) -> None:
        if self._writer is None:
            self._truth.add(truth)
            return
        self._counts.streams_started += 1
        self._streams.add(Stream(self._writer.answer(), partial(self._chunk, message), truth, self._answered))

    def _answered(self, stream: Stream, completed: bool) -> None:
        self._counts.streams_completed += completed
        self._counts.streams_cancelled += not completed
        self._streams.discard(stream)
        self._truth.add(stream.truth)

    def _chunk(self, message: MessageSend, content: str, is_complete: bool) -> int | None:
        """Write one chunk for whoever is in the conversation now; when that was."""
        event = MessageStream(
            message_id=STREAM_ID_PREFIX + message.message_id,
            conversation_id=message.conversation_id,
            content=content,
            is_complete=is_complete,
            timestamp=_now(),
        )
        written = self._post.send(event, self._sockets(message.conversation_id))
        self._counts.stream_frames += written
        return self._moment(written)

    # --- Typing -------------------------------------------------------------------------------------------------------
    def _typing_start(self, sender: Participant, conversation: str) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not sender.typist.start(conversation, now):
            self._counts.typing_ignored += 1
            return
        self._counts.typing_starts += 1
        self._to_others(sender, conversation, TypingStart(conversation, _now(), sender.user))
        loop.call_at(now + TYPING_AUTO_STOP_S, self._typing_timeout, sender, conversation, now)

    def _typing_stop(self, sender: Participant, conversation: str) -> None:
        if sender.typist.stop(conversation):
            self._stopped_typing(sender, conversation)
        else:
            self._counts.typing_ignored += 1

    def _typing_timeout(self, sender: Participant, conversation: str, started: float) -> None:
        if sender.typist.time_out(conversation, started):
            self._stopped_typing(sender, conversation)

    def _stopped_typing(self, sender: Participant, conversation: str) -> None:
        self._counts.typing_stops += 1
        self._to_others(sender, conversation, TypingStop(conversation, _now(), sender.user))

    # --- Errors -------------------------------------------------------------------------------------------------------
    def _invalid(self, sender: Participant, invalid: InvalidEvent) -> None:
        if invalid.type.startswith("message:"):
            self._counts.messages += 1
            self._message_error(sender, invalid.detail)
        else:
            self._counts.invalid_typing += 1
            self._error(sender, VALIDATION_ERROR, str(invalid))

    def _message_error(self, sender: Participant, problem: str) -> None:
        self._counts.invalid += 1
        self._reply(sender, MessageError(message=problem, timestamp=_now()))

    def _error(self, sender: Participant, code: str, problem: str) -> None:
        self._reply(sender, ConnectionError_(problem, code, timestamp=_now()))

    def _moment(self, written: int) -> int | None:
        """When the latest event was written, if it was to anybody."""
        return self._post.wrote_ns if written else None

    # --- Whom to write to ---------------------------------------------------------------------------------------------
    def _reply(self, sender: Participant, event: ServerEvent) -> int:
        return self._post.send(event, (sender.connection,))

    def _to_others(self, sender: Participant, conversation: str, event: ServerEvent) -> None:
        members = self._rooms.members(conversation)
        self._post.send(event, [member.connection for member in members if member is not sender])

    def _sockets(self, conversation: str) -> list[ServerConnection]:
        return [member.connection for member in self._rooms.members(conversation)]


def _problem(message: MessageSend) -> str | None:
    """What the guide objects to in a message whose fields are all there and of the right kind."""
    if not message.message_id:
        return "messageId must not be empty"
    if not message.conversation_id:
        return "conversationId must not be empty"
    if not CONTENT_MIN <= utf16_length(message.content) <= CONTENT_MAX:
        return f"content must have {CONTENT_MIN} to {CONTENT_MAX} characters"
    return None


def _now() -> str:
    return timestamp(time.time())
