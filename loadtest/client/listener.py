"""Who is told of what a connection brings."""

from __future__ import annotations

from typing import Protocol

from loadtest.client.closed import Closed
from loadtest.protocol import Payload


class Listener(Protocol):
    """What a transport tells; called from the event loop's callback, so it must not block."""

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:
        """A frame has arrived; see `arrivals` for its times."""

    def on_pong(self, rtt_ns: int) -> None:
        """A ping was answered after so long."""

    def on_closed(self, closed: Closed) -> None:
        """The connection is over; told once."""


class Nobody:
    """The listener of a connection that nobody cares for any more."""

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_closed(self, closed: Closed) -> None: ...
