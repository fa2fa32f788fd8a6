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
    TYPING_AUTO_STOP_S,
    VALIDATION_ERROR,
    ConnectionError_,
    MessageError,
    MessageSend,
    MessageStream,
    ServerEvent,
    TypingStart,
    TypingStop,
    decode_client_event,
    utf16_length,
)

from .answers import AnswerWriter, Chunk
from .clock import now_iso
from .counts import ServerCounts
from .delivery import Delivery
from .limiter import Counted, Limiter, LimitScope
from .options import ServerOptions
from .participants import Participant
from .post import Post
from .rooms import Rooms
from .streams import Stream, StreamIds
from .truth import MessageTruth, TruthLog


class Chat:
    """All conversations of one server.

    Nothing here waits for a socket: a frame is handled to its end before the next one, so the acks and the broadcast of
    a message are never interleaved with another's. Only answers take time; each is a `Stream`.

    Args:
        options: the rules that can be set.
        counts: where everything is counted.
        post: how events are written.
        delivery: how those of a message leave.
        limiter: admits messages; None for all of them.
        rooms: who is in which conversation.
        truth: where the moments of each message go.
    """

    def __init__(
        self,
        options: ServerOptions,
        counts: ServerCounts,
        post: Post,
        delivery: Delivery,
        limiter: Limiter | None,
        rooms: Rooms[Participant],
        truth: TruthLog,
    ) -> None:
        self._counts = counts
        self._post = post
        self._delivery = delivery
        self._limiter = limiter
        self._limit_scope = options.limit_scope
        self._limit_counts = options.limit_counts
        self._stream_ids = options.stream_ids
        self._writer = AnswerWriter(options.answers) if options.answers else None
        self._rooms = rooms
        self._truth = truth
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
        self._delivery.close()

    # --- Messages -----------------------------------------------------------------------------------------------------
    def _message(self, sender: Participant, message: MessageSend, read_ns: int) -> None:
        self._counts.messages += 1
        if problem := _problem(message):
            self._message_error(sender, problem)
            return
        truth = MessageTruth(message.message_id, read_ns)
        if wait_s := self._wait_s(sender, read_ns):
            self._reject(sender, message, wait_s, truth)
        elif self._delivery.accept(sender, message, truth):
            self._deliver(sender, message, truth)
        else:
            self._counts.failed += 1
            self._truth.add(truth)

    def _wait_s(self, sender: Participant, now_ns: int) -> int:
        """Seconds that the rate limit tells a sender to wait; 0 to admit its message."""
        if self._limiter is None:
            return 0
        scope = sender.user if self._limit_scope is LimitScope.USER else str(sender.connection.id)
        return self._limiter.take(scope, now_ns)

    def _count(self, what: Counted, sender: Participant) -> None:
        """What is no message that could be admitted may count towards the limit all the same."""
        if what in self._limit_counts:
            self._wait_s(sender, time.monotonic_ns())

    def _reject(self, sender: Participant, message: MessageSend, wait_s: int, truth: MessageTruth) -> None:
        self._counts.rejected += 1
        error = f"Rate limit exceeded. Try again in {wait_s} seconds"
        self._delivery.ack(sender, message, "error", truth, error)
        self._truth.add(truth)

    def _deliver(self, sender: Participant, message: MessageSend, truth: MessageTruth) -> None:
        """In the order of the guide: ack `received`, broadcast, ack `delivered`, answer."""
        self._delivery.ack(sender, message, "received", truth)
        self._rooms.join(sender, message.conversation_id)
        self._delivery.broadcast(sender, message, truth)
        self._delivery.ack(sender, message, "delivered", truth)
        self._answer(sender, message, truth)

    # --- Answers ------------------------------------------------------------------------------------------------------
    def _answer(self, sender: Participant, message: MessageSend, truth: MessageTruth) -> None:
        if self._writer is None:
            self._truth.add(truth)
            return
        self._counts.streams_started += 1
        stream_id = self._stream_ids.of(message.message_id)
        if self._stream_ids is not StreamIds.PREFIXED:
            truth.stream_id = stream_id
        frames = self._delivery.frames(sender, message, self._writer.answer(message.content), truth)
        write = partial(self._chunk, stream_id, message.conversation_id)
        self._streams.add(Stream(frames, write, truth, self._answered))

    def _answered(self, stream: Stream, completed: bool) -> None:
        self._counts.streams_completed += completed
        self._counts.streams_cancelled += not completed
        self._streams.discard(stream)
        self._truth.add(stream.truth)

    def _chunk(self, stream_id: str, conversation: str, chunk: Chunk) -> int | None:
        """Write one frame of an answer for whoever is in the conversation now; when that was."""
        event: MessageStream | MessageError
        if chunk.error is not None:
            event = MessageError(message_id=stream_id, error=chunk.error, timestamp=now_iso())
        else:
            event = MessageStream(
                message_id=chunk.stream_id or stream_id,
                conversation_id=conversation,
                content=chunk.content,
                is_complete=chunk.is_complete,
                timestamp=now_iso(),
            )
        written = self._post.send(event, self._sockets(conversation))
        self._counts.stream_frames += written
        return self._post.wrote_ns if written else None

    # --- Typing -------------------------------------------------------------------------------------------------------
    def _typing_start(self, sender: Participant, conversation: str) -> None:
        self._count(Counted.TYPING, sender)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not sender.typist.start(conversation, now):
            self._counts.typing_ignored += 1
            return
        self._counts.typing_starts += 1
        self._to_others(sender, conversation, TypingStart(conversation, now_iso(), sender.user))
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
        self._to_others(sender, conversation, TypingStop(conversation, now_iso(), sender.user))

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
        self._count(Counted.INVALID, sender)
        self._reply(sender, MessageError(message=problem, timestamp=now_iso()))

    def _error(self, sender: Participant, code: str, problem: str) -> None:
        self._reply(sender, ConnectionError_(problem, code, timestamp=now_iso()))

    # --- Whom to write to ---------------------------------------------------------------------------------------------
    def _reply(self, sender: Participant, event: ServerEvent) -> None:
        self._post.send(event, (sender.connection,))

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
