"""One WebSocket on a socket of gevent's event loop, with the kernel's receive times (see `arrivals`).

Reads happen in an I/O callback of the hub, with no greenlet of their own: one non-blocking `recvmsg` feeds the Sans-I/O
protocol of `websockets`, and each frame is passed on with its times. What cannot be sent at once waits in the `outbox`.

Nothing here logs: `websockets` shows the token in the text of its requests and addresses.
"""

from __future__ import annotations

import struct
import time
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Final

import gevent
import gevent.event
from gevent.hub import get_hub
from websockets.frames import CLOSE, CTRL_OPCODES, PING, PONG, TEXT, Frame
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN

from loadtest.client.arrivals import ANCILLARY, Arrivals
from loadtest.client.closed import HALF_OPEN, Closed, ClosedBy
from loadtest.client.dial import (
    READ,
    DialError,
    Dialled,
    connect_proxy,
    connect_tcp,
    handshake_tls,
    tunnel,
)
from loadtest.client.endpoint import Credentials, Endpoint, new_protocol, upgrade_request
from loadtest.client.frames import Incoming, Item
from loadtest.client.listener import Listener, Nobody
from loadtest.client.outbox import MOST_WAITING, Outbox
from loadtest.client.pings import MOST_OPEN, Pings
from loadtest.client.polls import PollClock, poll_clock
from loadtest.client.tally import Tally
from loadtest.client.tls import READ_SIZE, TlsStream, fault
from loadtest.client.upgrade import agreed, refusal
from loadtest.protocol import CLOSE_ABNORMAL, CLOSE_NORMAL

if TYPE_CHECKING:
    import _socket

CLOSE_TIMEOUT_S: Final = 3.0
"""How long a peer may take to finish the closing handshake."""
_RESET: Final = struct.pack("ii", 1, 0)


class Transport:
    """One connection, from dial to close; not reusable.

    Args:
        endpoint: where to, and how.
        shown: what this user shows there.
        listener: told of frames, pongs and the end.
        tally: counts bytes, frames, shared and clamped stamps, and what was negotiated.
        source: address of this machine to connect from; None for the one that the system chooses.
    """

    __slots__ = (
        "_arrivals",
        "_by",
        "_close_ns",
        "_close_sent_ns",
        "_close_timer",
        "_ended",
        "_endpoint",
        "_incoming",
        "_listener",
        "_open",
        "_outbox",
        "_paused",
        "_pings",
        "_polls",
        "_protocol",
        "_reader",
        "_shown",
        "_silent",
        "_socket",
        "_source",
        "_step",
        "_tally",
        "_tls",
        "_traffic_ns",
        "_upgraded",
    )

    def __init__(
        self, endpoint: Endpoint, shown: Credentials, listener: Listener, tally: Tally, source: str | None = None
    ) -> None:
        self._endpoint = endpoint
        self._source = source
        self._shown = shown
        self._listener = listener
        self._tally = tally
        self._protocol = new_protocol(endpoint, shown, tally)
        self._incoming = Incoming(self._protocol, endpoint.max_frame_size)
        self._step = ""
        self._socket: _socket.socket | None = None
        self._reader: Any = None
        self._close_timer: Any = None
        self._outbox = Outbox()
        self._tls: TlsStream | None = None
        self._upgraded: gevent.event.AsyncResult = gevent.event.AsyncResult()
        self._open = False
        self._ended = False
        self._by = ClosedBy.SERVER
        self._polls: PollClock = poll_clock(get_hub().loop)
        self._arrivals = Arrivals(self._polls, tally)
        self._traffic_ns = 0
        self._close_sent_ns: int | None = None
        self._close_ns: int | None = None
        self._pings = Pings()
        self._silent = self._paused = False

    # --- opening ------------------------------------------------------------------------------------------------------
    def dial(self, timeout_s: float) -> Dialled:
        """Connect, secure and upgrade; blocks the calling greenlet.

        Raises:
            DialError: no WebSocket came about; the socket is closed.
        """
        limit = gevent.Timeout(timeout_s)  # a TimeoutError would be an OSError, and be taken for one on its way
        try:
            with limit:
                return self._dial()
        except gevent.Timeout as expired:
            self._release()
            if expired is not limit:
                raise
            raise DialError("timeout", f"{self._step} within {timeout_s:g} s") from None
        except BaseException:
            self._release()
            raise

    def _dial(self) -> Dialled:
        endpoint, proxy = self._endpoint, self._endpoint.proxy
        began = time.monotonic_ns()
        self._step = f"no TCP connection to {proxy or endpoint.target}"
        way = (self._source, endpoint.connect_timeout_s)
        sock = connect_tcp(endpoint.target, *way) if proxy is None else connect_proxy(proxy, *way)
        self._socket = sock
        self._outbox.open(sock)
        connected = tunnelled = time.monotonic_ns()
        if proxy is not None:
            self._step = f"no answer of the proxy {proxy}"
            tunnel(sock, proxy, endpoint.target)
            tunnelled = time.monotonic_ns()
        if secure := endpoint.secure:
            self._step = "no TLS handshake"
            self._tls = handshake_tls(sock, endpoint.tls, endpoint.host)
        secured = time.monotonic_ns()
        self._step = "no answer to the upgrade"
        self._watch()
        self._protocol.send_request(upgrade_request(self._protocol, endpoint, self._shown))
        self._flush_protocol()
        self._upgraded.get()
        self._open = True
        upgraded = self._traffic_ns = time.monotonic_ns()
        for what in agreed(endpoint, self._protocol, self._tls):
            self._tally.add("negotiated", what)
        return Dialled(
            connected - began,
            tunnelled - connected if proxy is not None else None,
            secured - tunnelled if secure else None,
            upgraded - secured,
        )

    def _watch(self) -> None:
        assert self._socket is not None
        self._arrivals.floor_ns = time.monotonic_ns()
        self._reader = get_hub().loop.io(self._socket.fileno(), READ)
        self._reader.start(self._on_readable)

    # --- sending ------------------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> bool:
        """Hand a text frame over; never blocks, what the socket does not take waits in the out-buffer.

        Returns:
            Whether the socket has taken all of it; of one that has fallen silent it never does.
        """
        if self._protocol.state is not OPEN or self._ended:
            return False
        self._traffic_ns = time.monotonic_ns()
        self._protocol.send_text(data)
        self._tally.add("frames_sent")
        self._tally.add("bytes_sent", "", len(data))
        self._flush_protocol()
        return not self._outbox and not self._silent

    def ping(self) -> None:
        """Send a WebSocket ping, whether or not the last is answered: a server that stands still is asked as often."""
        if self._protocol.state is OPEN and not self._ended and len(self._pings.open) < MOST_OPEN:
            now = self._traffic_ns = time.monotonic_ns()
            self._protocol.send_ping(self._pings.send(now))
            self._flush_protocol()

    def give_up_silent(self, now_ns: int) -> None:
        """Take the connection for dead if it has been silent for longer than the read timeout or the ping timeout.

        With a ping timeout, a ping goes out after half of it.
        """
        endpoint = self._endpoint
        if not self._open or self._ended or self._paused or self._silent:
            return
        arrivals = self._arrivals
        silence_s = (now_ns - max(arrivals.floor_ns, arrivals.resumed_ns)) / 1e9  # a pause is no silence of the server
        if endpoint.ping_timeout_s is not None:
            if silence_s > endpoint.ping_timeout_s:
                self._by = ClosedBy.PING_TIMEOUT
                self._end()
                return
            if silence_s > endpoint.ping_timeout_s / 2 and not self._pings.open:
                self.ping()
        if endpoint.read_timeout_s is not None and silence_s > endpoint.read_timeout_s:
            self._by = ClosedBy.READ_TIMEOUT
            self._end()

    # --- losses, and readers that are slow ----------------------------------------------------------------------------
    def fall_silent(self) -> None:
        """Send nothing more and read nothing more, and leave the socket open, as where the network is gone."""
        if self._reader is not None and not self._ended:
            self._silent = True
            self._outbox.drop()
            self._reader.stop()

    def haunt(self, listener: Listener) -> None:
        """After falling silent: hear what the server still says, and answer nothing."""
        self._listener = listener
        self._by = ClosedBy.SERVER
        if self._reader is not None:
            self._arrivals.left_some = True
            self._reader.start(self._on_readable)

    def pause(self) -> None:
        """Read nothing until `resume`: what the server sends fills the buffers on the way, and then its own."""
        if self._reader is not None and not self._ended and not self._silent:
            self._paused = True
            self._reader.stop()

    def unread(self, now_ns: int) -> bool:
        """Whether what has arrived may not have been read yet: within a pause, and shortly after it."""
        return self._paused or self._arrivals.catching_up(now_ns)

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._reader is not None:
            self._paused = False
            self._arrivals.resume(time.monotonic_ns())
            self._reader.start(self._on_readable)

    def retry(self) -> None:
        """Begin the closing handshake, to connect anew once it is over."""
        if not self._ended:
            self.close(CLOSE_NORMAL)
            self._by = ClosedBy.RETRY

    def close(self, code: int) -> None:
        """Begin the closing handshake; `on_closed` follows within `CLOSE_TIMEOUT_S`."""
        if self._ended:
            return
        if self._protocol.state in (OPEN, CONNECTING):  # else it is closing already, by whoever began it
            self._by = ClosedBy.CLIENT
        if self._protocol.state is OPEN:
            self._close_sent_ns = time.monotonic_ns()
            self._protocol.send_close(code)
            self._flush_protocol()
            self._expect_close()
        elif self._protocol.state is CONNECTING:
            self._end()

    def abandon(self) -> None:
        """Close politely, and tell the listener nothing more."""
        self._listener = Nobody()
        self.close(CLOSE_NORMAL)

    def reset(self) -> None:
        """Tear the connection down at once, without a close frame (TCP RST)."""
        if self._socket is not None and not self._ended:
            self._by = ClosedBy.RESET
            self._socket.setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
            self._end()

    def _flush_protocol(self) -> None:
        for data in self._protocol.data_to_send():
            if self._silent:
                continue
            if data:
                self._outbox.put(data if self._tls is None else self._tls.sealed(data))
            else:
                self._half_close()
        if self._outbox and self._outbox.flush():
            self._tally.add("takes_nothing_in")
            self._end()

    def _half_close(self) -> None:
        if self._socket is not None and not self._outbox:
            try:
                self._socket.shutdown(SHUT_WR)
            except OSError:
                self._end()

    # --- receiving ----------------------------------------------------------------------------------------------------
    def _on_readable(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - gevent stops the watcher of a callback that raises: deaf for ever
            self._tally.add("listener_error", type(error).__name__)
            self._end()

    def _read(self) -> None:
        began = time.monotonic_ns()
        if began >= self._polls.due_ns:
            self._polls.when_due()
            began = time.monotonic_ns()
        if self._socket is None:  # what was due has ended this connection
            return
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_SIZE, ANCILLARY)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", []
        now = time.monotonic_ns()
        self._polls.reads += 1
        if not data:
            self._protocol.receive_eof()
            self._end()
            return
        at, width, lag, stamped = self._arrivals.read(ancillary, began, now, len(data) == READ_SIZE)
        items = self._incoming.take(data if self._tls is None else self._tls.opened(data))
        if items:
            self._pass_on(items, at, width, lag, stamped)
        if not self._incoming.simple or self._tls is not None:
            self._heed_state()

    def _pass_on(self, items: list[Item], at: int, width: int, lag: int, stamped: bool) -> None:
        """Give everything that one read completed its time."""
        last = items.pop()
        if items:
            self._tally.add("coalesced_frames", "", len(items))
            for item in items:
                self._on_item(item, at, width, lag)
        if self._arrivals.left_some or self._incoming.inside or (self._tls is not None and self._tls.mid_record):
            self._tally.add("coalesced_frames")  # the stamp is that of a byte behind the frame
        elif stamped:
            width = 0
        self._on_item(last, at, width, lag)

    def _on_item(self, item: Item, at: int, bound: int, lag: int) -> None:
        if self._ended:
            return
        if isinstance(item, bytes):
            self._traffic_ns = at
            self._listener.on_frame(item, True, at, bound, lag)
        elif isinstance(item, Response):
            self._on_response()
        elif item.opcode in CTRL_OPCODES:
            self._on_control(item, at)
        else:
            self._traffic_ns = at
            self._listener.on_frame(item.data, item.opcode is TEXT, at, bound, lag)

    def _on_control(self, frame: Frame, at: int) -> None:
        self._flush_protocol()  # the answer to a ping or a close
        if frame.opcode is not CLOSE:
            self._traffic_ns = at
        if frame.opcode is PING:
            self._on_ping(at)
        elif frame.opcode is PONG:
            for rtt_ns in self._pings.answered(bytes(frame.data), at):
                self._listener.on_pong(rtt_ns)
        elif frame.opcode is CLOSE and self._close_sent_ns is not None:
            self._close_ns = max(at - self._close_sent_ns, 0)

    def _on_ping(self, at: int) -> None:
        if self._silent:
            return
        self._tally.add("pings_answered")
        if self._pings.flood(at):
            self._tally.add("ping_flood")

    def _on_response(self) -> None:
        if self._protocol.handshake_exc is None:
            self._upgraded.set(None)

    def _heed_state(self) -> None:
        """Go on with the handshake at the beginning or end of the connection, where it is there."""
        if self._ended:
            return
        self._flush_protocol()
        if self._protocol.handshake_exc is not None or (self._tls is not None and self._tls.ended):
            self._end()
        elif self._protocol.close_expected():
            self._expect_close()

    # --- the end ------------------------------------------------------------------------------------------------------
    def _expect_close(self) -> None:
        if self._close_timer is None and not self._ended:
            loop = get_hub().loop
            loop.update_now()  # a timer begins at the loop's last look at the clock
            self._close_timer = loop.timer(CLOSE_TIMEOUT_S)
            self._close_timer.start(self._end)

    def _end(self) -> None:
        """Close the socket and tell whoever waits; safe to call twice."""
        if self._ended:
            return
        self._ended = True
        self._release()
        if not self._open and not self._upgraded.ready():
            self._upgraded.set_exception(refusal(self._protocol, self._tls))
            return
        self._protocol.receive_eof()
        received = self._protocol.close_rcvd
        code = received.code if received is not None else CLOSE_ABNORMAL
        reason = received.reason if received is not None else self._reason()
        lost_ns = self._arrivals.floor_ns if self._by in HALF_OPEN else self._close_sent_ns
        quiet_ns = time.monotonic_ns() - self._traffic_ns
        self._listener.on_closed(Closed(code, reason, self._by, self._close_ns, lost_ns, quiet_ns))

    def _reason(self) -> str:
        """Why the connection ended without a close frame of the server; empty where nobody knows."""
        sent = self._protocol.close_sent
        if sent is not None and self._by is ClosedBy.SERVER:
            return f"our protocol check: {sent.code} {sent.reason}".strip()
        if self._by is ClosedBy.READ_TIMEOUT:
            return f"nothing received for {self._endpoint.read_timeout_s:g} s"
        if self._by is ClosedBy.PING_TIMEOUT:
            return f"nothing received for {self._endpoint.ping_timeout_s:g} s, and a ping not answered"
        if len(self._outbox) > MOST_WAITING:
            return f"took nothing in: more than {MOST_WAITING // 2**20} MiB waited to be sent"
        if self._tls is not None and self._tls.broken is not None:
            return f"TLS: {fault(self._tls.broken)[1]}"
        return ""

    def _release(self) -> None:
        self._ended = True
        for watcher in (self._reader, self._close_timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._close_timer = None
        self._outbox.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
