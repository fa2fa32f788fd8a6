"""A connection that can say what a chat client never would: the client's transport, without its session."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from loadtest.client.closed import Closed
from loadtest.client.dialect import Dialect
from loadtest.client.endpoint import Credentials, Endpoint
from loadtest.client.transport import CLOSE_TIMEOUT_S, Transport
from loadtest.conformance.heard import Counts, Heard, Hearing
from loadtest.errors import FrameError, UnknownEvent
from loadtest.protocol import (
    CLOSE_NORMAL,
    ConnectionAuthenticated,
    ConnectionError_,
    MessageAck,
    MessageError,
    MessageSend,
    Payload,
    ServerEvent,
    excerpt,
)


class Line(Hearing):
    """One connection, from dial to close; see `client.listener.Listener` for what the transport tells.

    Args:
        counts: where what the guide does not list is counted.
        dialect: how the server words the guide's events.
    """

    def __init__(self, endpoint: Endpoint, shown: Credentials, counts: Counts, dialect: Dialect) -> None:
        super().__init__()
        self.closed: Closed | None = None
        self._endpoint = endpoint
        self._counts = counts
        self._dialect = dialect
        self._transport = Transport(endpoint, shown, self, counts)

    def open(self) -> None:
        """Dial; raises DialError."""
        self._transport.dial(self._endpoint.connect_timeout_s)

    def admission(self, patience_s: float) -> Heard | None:
        """The frame that says whether the token was accepted; None where none came."""
        return self.until(
            lambda each: isinstance(each.event, (ConnectionAuthenticated, ConnectionError_)), 0, patience_s
        )

    def say(self, frame: bytes | dict[str, Any]) -> int:
        """Send a text frame, or a message by its fields; when it left (monotonic ns)."""
        data = frame if isinstance(frame, bytes) else self._frame(frame)
        sent_ns = time.monotonic_ns()
        self._transport.send(data)
        return sent_ns

    def _frame(self, fields: dict[str, Any]) -> bytes:
        if type(self._dialect).encode is Dialect.encode:
            return msgspec.json.encode(fields)
        # another dialect writes whole messages alone: what is missing is empty
        id_, conversation, content = (fields.get(name, "") for name in ("messageId", "conversationId", "content"))
        return self._dialect.encode(MessageSend(id_, conversation, content, fields.get("timestamp")))

    def answer(self, message_id: str, since: int, patience_s: float) -> Heard | None:
        """The last word on a message: ack `delivered` or `error`, or an error that can be about it."""
        return self.answers([message_id], since, patience_s).get(message_id)

    def answers(self, message_ids: list[str], since: int, patience_s: float) -> dict[str, Heard]:
        """The last words on messages that were sent together, by id; an error that names none is about those without
        one, in their order."""
        found: dict[str, Heard] = {}
        nameless: list[Heard] = []

        def is_last(each: Heard) -> bool:
            match each.event:
                case MessageAck(message_id=named, status="delivered" | "error") | MessageError(message_id=str(named)):
                    if named in message_ids:
                        found.setdefault(named, each)
                case MessageError() | ConnectionError_():
                    nameless.append(each)
            return len(found) + len(nameless) >= len(message_ids)

        self.until(is_last, since, patience_s)
        return dict(zip([id_ for id_ in message_ids if id_ not in found], nameless, strict=False)) | found

    def hang_up(self) -> None:
        """Close with 1000, and wait for the answer."""
        self._transport.close(CLOSE_NORMAL)
        self.until(lambda _: False, self.mark(), CLOSE_TIMEOUT_S + 1.0)

    # --- what the transport tells -------------------------------------------------------------------------------------
    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:  # noqa: ARG002
        event = None
        try:
            event = self._dialect.decode(data)
            if event is not None:
                self._count_unknown_fields(data, event)
        except UnknownEvent as error:
            self._counts.add("unknown_event", excerpt(error.type))
        except FrameError as error:
            self._counts.add("no_event", excerpt(str(error)))
        except Exception as error:  # noqa: BLE001 - a mistake in a locustfile's dialect must not deafen the connection
            self._counts.add("no_event", f"the dialect fails with {type(error).__name__}")
        self.hear(at_ns, event, data)

    def _count_unknown_fields(self, data: Payload, event: ServerEvent) -> None:
        for name in self._dialect.unknown_fields(data, event):
            self._counts.add("unknown_field", f"{type(event).__struct_config__.tag}.{excerpt(name, 64)}")

    def on_pong(self, rtt_ns: int) -> None: ...

    def on_closed(self, closed: Closed) -> None:
        self.closed = closed
        self.end()


def told(answer: Heard | None, line: Line) -> str:
    """The last word on a message, in words."""
    event = None if answer is None else answer.event
    match event:
        case MessageAck(status="error"):
            return f'ack error "{excerpt(event.error or "", 80)}"'
        case MessageAck():
            return "ack delivered"
        case MessageError():
            return f'message:error "{excerpt(event.text, 80)}"'
        case ConnectionError_():
            return f'connection:error {excerpt(event.code or "without a code", 40)} "{excerpt(event.message, 80)}"'
    if line.closed is not None:
        return f"closed {line.closed.code} {excerpt(line.closed.reason, 80)}".rstrip()
    return "no answer"
