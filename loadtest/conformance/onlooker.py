"""A client as a run has it, whose every frame, count and record is passed on to somebody who tells of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from loadtest.client.client import ChatClient
from loadtest.conformance.narrator import Narrator
from loadtest.model import Connect, Disconnect, Flush, Ghost, Message, Outage
from loadtest.protocol import Payload, ServerEvent


class Tally:
    """Counts by name and key (see `client.tally.Tally`), and which of them are new."""

    def __init__(self) -> None:
        self.frames_received = self.bytes_received = 0
        self._new: list[tuple[str, str]] = []

    def add(self, name: str, key: str = "", value: int = 1) -> None:  # noqa: ARG002 - nobody adds up here
        self._new.append((name, key))

    def take(self) -> list[tuple[str, str]]:
        """What was counted since the last take."""
        new, self._new = self._new, []
        return new


class Onlooker:
    """The observer of one client (see `client.observer.Observer`).

    Args:
        on_connect: told of each attempt to connect.
    """

    def __init__(
        self, narrator: Narrator, hint: Callable[[Message], str | None], on_connect: Callable[[Connect], None]
    ) -> None:
        self.tally = Tally()
        self.gaps, self.gap_bounds, self.lags = array("q"), array("q"), array("q")
        self.messages: list[Message] = []
        """Messages that have come to an end."""
        self.disconnects: list[Disconnect] = []
        self.on_connect = on_connect
        self._narrator = narrator
        self._hint = hint
        self._told = 0

    def on_message(self, message: Message) -> None:
        self.messages.append(message)

    def on_disconnect(self, disconnect: Disconnect) -> None:
        self.disconnects.append(disconnect)
        self._narrator.closed(disconnect)

    def on_outage(self, outage: Outage) -> None:
        self._narrator.outage(outage)

    def on_ghost(self, ghost: Ghost) -> None: ...
    def on_flush(self, flush: Flush) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_sent(self, lag_ns: int) -> None: ...

    def tell_ended(self) -> None:
        """Tell of the messages that ended: behind the frame that ended them."""
        for message in self.messages[self._told :]:
            self._told += 1
            self._narrator.ended(message, self._hint(message))


class WatchedClient(ChatClient):
    """A `ChatClient` that shows what goes over its wire."""

    __slots__ = ("_event", "_narrator", "_onlooker")

    def __init__(self, narrator: Narrator, onlooker: Onlooker, **client: Any) -> None:
        super().__init__(observer=onlooker, on_event=self._keep_event, **client)
        self._onlooker = onlooker
        self._narrator = narrator
        self._event: ServerEvent | None = None

    def token(self) -> str:
        token = super().token()
        self._narrator.hide(token)
        return token

    def on_leaving(self, event: str, frame: bytes, message_id: str | None, sent_ns: int) -> None:
        self._narrator.sent(event, frame, message_id, sent_ns)

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        self._event = None
        self._onlooker.tally.take()
        super().on_frame(data, text, at_ns, bound_ns, lag_ns)
        self._narrator.received(data, text, self._event, self._onlooker.tally.take(), at_ns)
        self._onlooker.tell_ended()

    def _keep_event(self, event: ServerEvent) -> None:
        self._event = event
