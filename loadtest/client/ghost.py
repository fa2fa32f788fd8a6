"""The old connection of a client that fell silent: to the server it is still there, and still a member."""

from __future__ import annotations

import time
from collections.abc import Callable

from loadtest.client.closed import Closed
from loadtest.client.dialect import Dialect
from loadtest.client.message import Identity
from loadtest.client.transport import Transport
from loadtest.model import Ghost
from loadtest.protocol import MessageReceive, Payload


class GhostWatch:
    """Hears what a server says to a client that is not there any more, until it notices. A `listener.Listener`.

    Args:
        silent_ns: when the client fell silent.
        dialect: how the server words its events.
        tell: given the record once the connection has ended, or the run has.
    """

    __slots__ = ("_broadcasts", "_dialect", "_frames", "_identity", "_noticed_ns", "_silent_ns", "_tell", "_transport")

    def __init__(
        self,
        identity: Identity,
        silent_ns: int,
        noticed_ns: int,
        transport: Transport,
        dialect: Dialect,
        tell: Callable[[Ghost], None],
    ) -> None:
        self._identity = identity
        self._silent_ns = silent_ns
        self._noticed_ns = noticed_ns
        self._transport: Transport | None = transport
        self._dialect = dialect
        self._tell = tell
        self._frames = self._broadcasts = 0
        transport.haunt(self)

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None:  # noqa: ARG002
        """See `listener.Listener`."""
        self._frames += 1
        try:
            event = self._dialect.decode(data) if text else None
        except Exception:  # noqa: BLE001 - nobody listens here: a frame that cannot be read is only a frame
            return
        self._broadcasts += isinstance(event, MessageReceive)

    def on_pong(self, rtt_ns: int) -> None:
        """See `listener.Listener`."""

    def on_closed(self, closed: Closed) -> None:
        """The server has noticed."""
        self._end(time.monotonic_ns(), closed.code)

    def leave(self) -> None:
        """The run is over: tear the connection down."""
        if self._transport is not None:
            transport = self._transport
            self._end(None, None)
            transport.reset()

    def _end(self, ended_ns: int | None, code: int | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        self._tell(
            Ghost(
                user=self._identity.user,
                user_class=self._identity.user_class,
                silent_ns=self._silent_ns,
                noticed_ns=self._noticed_ns,
                ended_ns=ended_ns,
                code=code,
                frames=self._frames,
                broadcasts=self._broadcasts,
            )
        )
