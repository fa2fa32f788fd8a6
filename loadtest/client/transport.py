"""One WebSocket on a socket of gevent's event loop, with the kernel's receive times.

Reads happen in an I/O callback of the hub, with no greenlet of their own: one non-blocking `recvmsg` feeds the Sans-I/O
protocol of `websockets`. Each frame is passed on with

- `at_ns`: when its last byte reached this machine, by the kernel's clock (`SO_TIMESTAMPNS`), on the monotonic scale;
- `bound_ns`: the frame arrived within this long *before* `at_ns`. Frames that were waiting together share the stamp of
  the last byte queued. Each of them arrived after the previous read of the socket began, which emptied it, and after
  the last poll of the event loop that would have reported it (see `polls`). 0 when the stamp is the frame's own;
- `lag_ns`: from `at_ns` to our callback, which is the generator's own delay and in no latency.

Where there is no stamp (not on this platform, or the wall clock was set between arrival and read), `at_ns` is the time
of the callback and `bound_ns` reaches back from it in the same way, for every frame. A read that fills its buffer may
leave older bytes behind: what is read next may be as old as what was read then. The kernel stamps a packet some
microseconds before it queues its bytes, so bounds are true to that.

Nothing here logs: `websockets` shows the token in the text of its requests and addresses.
"""

from __future__ import annotations

import struct
import time
from enum import IntEnum
from socket import CMSG_SPACE, SHUT_WR, SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Final, Protocol

import gevent
import gevent.event
from gevent.hub import get_hub
from msgspec import Struct
from websockets.exceptions import InvalidHandshake, InvalidStatus, NegotiationError
from websockets.frames import CLOSE, CTRL_OPCODES, PING, PONG, TEXT, Frame
from websockets.http11 import Response
from websockets.protocol import CONNECTING, OPEN

from loadtest.client.deflate import CountedDeflate, Tally
from loadtest.client.dial import (
    KERNEL_STAMPS,
    READ,
    SO_TIMESTAMPNS,
    WRITE,
    DialError,
    connect_proxy,
    connect_tcp,
    handshake_tls,
    tunnel,
)
from loadtest.client.endpoint import Credentials, Endpoint, new_protocol, upgrade_request
from loadtest.client.frames import Incoming, Item
from loadtest.client.polls import PollClock, poll_clock
from loadtest.client.tls import READ_SIZE, TlsStream, fault
from loadtest.protocol import CLOSE_ABNORMAL, CLOSE_NORMAL, Payload

if TYPE_CHECKING:
    import _socket

QUEUEING_NS: Final = 200_000
"""A stamp may precede the previous read by this much: the kernel stamps a packet first and queues its bytes then."""
CLOSE_TIMEOUT_S: Final = 3.0
"""How long a peer may take to finish the closing handshake."""
MOST_WAITING: Final = 16 * 2**20
"""Bytes that may wait for a peer that takes nothing in, such as answers to a flood of pings, before it is given up."""
FLOOD: Final = 100
"""Pings of one connection within a second from which on they are called a flood: servers send one in many seconds."""
PINGS_OPEN: Final = 1_000
"""Pings of a connection without an answer that are kept: minutes of them."""
_PING: Final = struct.Struct("!q")
FLOOD_NS: Final = 1_000_000_000

CATCH_UP_NS: Final = 1_000_000_000
"""What has piled up in a pause is read within this time."""

_ANCILLARY: Final = CMSG_SPACE(16) if KERNEL_STAMPS else 0
_TIMESPEC: Final = struct.Struct("qq")
_RESET: Final = struct.pack("ii", 1, 0)


class ClosedBy(IntEnum):
    """Who ended a connection."""

    SERVER = 0
    CLIENT = 1
    RESET = 2
    """The client, on purpose and without a close frame."""
    READ_TIMEOUT = 3
    """The client, since the connection had been silent for so long that it takes it for dead."""
    PING_TIMEOUT = 4
    """The same, and a ping was not answered either."""
    SILENCE = 5
    """The client fell silent on purpose, and noticed it."""
    RETRY = 6
    """The client, politely, to connect anew."""


class Dialled(Struct, frozen=True):
    """Durations of the parts of a dial, ns; `tls_ns` is None without TLS, `proxy_ns` without a proxy."""

    tcp_ns: int
    proxy_ns: int | None
    tls_ns: int | None
    upgrade_ns: int


class Closed(Struct, frozen=True):
    """How a connection ended: close code (1006 without a close frame), reason, who, and how long our close took, ns.

    `lost_ns`: when its user was without it, where that was before the end (monotonic ns): when a half-open one last
    received something, or when our close frame left.
    `quiet_ns`: how long before the end the last frame went either way, close frames left out.
    """

    code: int
    reason: str
    by: ClosedBy
    close_ns: int | None
    lost_ns: int | None = None
    quiet_ns: int | None = None


class Listener(Protocol):
    """What a transport tells; called from the event loop's callback, so it must not block."""

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_closed(self, closed: Closed) -> None: ...


class _Nobody:
    """The listener of a connection that nobody cares for any more."""

    def on_frame(self, data: Payload, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_closed(self, closed: Closed) -> None: ...


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
        "_by",
        "_close_ns",
        "_close_sent_ns",
        "_close_timer",
        "_ended",
        "_endpoint",
        "_floor_ns",
        "_incoming",
        "_left_some",
        "_listener",
        "_open",
        "_out",
        "_paused",
        "_pings",
        "_pings_open",
        "_pings_since_ns",
        "_polls",
        "_protocol",
        "_reader",
        "_resumed_ns",
        "_shown",
        "_silent",
        "_socket",
        "_source",
        "_step",
        "_tally",
        "_tls",
        "_traffic_ns",
        "_upgraded",
        "_writer",
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
        self._writer: Any = None
        self._close_timer: Any = None
        self._out = bytearray()
        self._tls: TlsStream | None = None
        self._upgraded: gevent.event.AsyncResult = gevent.event.AsyncResult()
        self._open = False
        self._ended = False
        self._by = ClosedBy.SERVER
        self._polls: PollClock = poll_clock(get_hub().loop)
        self._floor_ns = self._traffic_ns = 0
        self._left_some = False
        self._close_sent_ns: int | None = None
        self._close_ns: int | None = None
        self._pings_open: list[int] = []  # a deque takes 700 bytes, and few of 10,000 connections are pinged
        self._pings = self._pings_since_ns = self._resumed_ns = 0
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
        self._tell_agreed()
        return Dialled(
            connected - began,
            tunnelled - connected if proxy is not None else None,
            secured - tunnelled if secure else None,
            upgraded - secured,
        )

    def _tell_agreed(self) -> None:
        """Count what client and server have agreed on."""
        if self._tls is not None:
            self._tally.add("negotiated", self._tls.version)
        if self._endpoint.compression:
            agreed = [each.agreed for each in self._protocol.extensions if isinstance(each, CountedDeflate)]
            self._tally.add("negotiated", agreed[0] if agreed else "no compression")
        if self._endpoint.subprotocols:  # others that were offered may be secret
            chosen = self._protocol.subprotocol
            known = chosen if chosen is None or chosen in self._endpoint.subprotocols else "of the user's"
            self._tally.add("negotiated", f"subprotocol {known}" if known else "no subprotocol")

    def _watch(self) -> None:
        assert self._socket is not None
        self._floor_ns = time.monotonic_ns()
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
        return not self._out and not self._silent

    def ping(self) -> None:
        """Send a WebSocket ping, whether or not the last is answered: a server that stands still is asked as often."""
        if self._protocol.state is OPEN and not self._ended and len(self._pings_open) < PINGS_OPEN:
            now = self._traffic_ns = time.monotonic_ns()
            self._pings_open.append(now)
            self._protocol.send_ping(_PING.pack(now))
            self._flush_protocol()

    def give_up_silent(self, now_ns: int) -> None:
        """Take the connection for dead if it has been silent for longer than the read timeout or the ping timeout.

        With a ping timeout, a ping goes out after half of it.
        """
        endpoint = self._endpoint
        if not self._open or self._ended or self._paused or self._silent:
            return
        silence_s = (now_ns - self._floor_ns) / 1e9
        if endpoint.ping_timeout_s is not None:
            if silence_s > endpoint.ping_timeout_s:
                self._by = ClosedBy.PING_TIMEOUT
                self._end()
                return
            if silence_s > endpoint.ping_timeout_s / 2 and not self._pings_open:
                self.ping()
        if endpoint.read_timeout_s is not None and silence_s > endpoint.read_timeout_s:
            self._by = ClosedBy.READ_TIMEOUT
            self._end()

    # --- losses, and readers that are slow ----------------------------------------------------------------------------
    def fall_silent(self) -> None:
        """Send nothing more and read nothing more, and leave the socket open, as where the network is gone."""
        if self._reader is not None and not self._ended:
            self._silent = True
            self._out.clear()
            for watcher in (self._reader, self._writer):
                if watcher is not None:
                    watcher.stop()

    def haunt(self, listener: Listener) -> None:
        """After falling silent: hear what the server still says, and answer nothing."""
        self._listener = listener
        self._by = ClosedBy.SERVER
        if self._reader is not None:
            self._left_some = True
            self._reader.start(self._on_readable)

    def pause(self) -> None:
        """Read nothing until `resume`: what the server sends fills the buffers on the way, and then its own."""
        if self._reader is not None and not self._ended and not self._silent:
            self._paused = True
            self._reader.stop()

    def unread(self, now_ns: int) -> bool:
        """Whether what has arrived may not have been read yet: within a pause, and for `CATCH_UP_NS` after it."""
        return self._paused or (self._resumed_ns > 0 and now_ns - self._resumed_ns < CATCH_UP_NS)

    def resume(self) -> None:
        """Read on."""
        if self._paused and self._reader is not None:
            self._paused = False
            self._resumed_ns = time.monotonic_ns()
            self._left_some = True  # what waits has arrived at any time since the last read
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
        self._listener = _Nobody()
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
                self._out += data if self._tls is None else self._tls.sealed(data)
            else:
                self._half_close()
        if self._out:
            self._flush()

    def _flush(self) -> None:
        if self._socket is None:
            return
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:  # over; but what had arrived before is still to be read, such as the reason
            return
        if len(self._out) > MOST_WAITING:
            self._tally.add("takes_nothing_in")
            self._end()
            return
        if self._out and self._writer is None:
            self._writer = get_hub().loop.io(self._socket.fileno(), WRITE)
            self._writer.start(self._on_writable)

    def _on_writable(self) -> None:
        self._flush()
        if not self._out and self._writer is not None:
            self._writer.close()
            self._writer = None

    def _half_close(self) -> None:
        if self._socket is not None and not self._out:
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
            data, ancillary, _, _ = self._socket.recvmsg(READ_SIZE, _ANCILLARY)
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
        stamp = self._stamp(ancillary, now)
        floor, edge = self._floor_ns, self._polls.woken_ns
        if stamp is not None and stamp < edge:  # woken late: the last byte itself has waited for longer than that
            edge = self._polls.settled_ns
        if edge > floor and not self._left_some and (stamp is None or stamp >= edge):
            floor = edge
        self._left_some = len(data) == READ_SIZE
        self._floor_ns = floor if self._left_some else began
        items = self._incoming.take(data if self._tls is None else self._tls.opened(data))
        if items:
            self._pass_on(items, stamp, floor, now)
        if not self._incoming.simple or self._tls is not None:
            self._heed_state()

    def _stamp(self, ancillary: list[Any], now: int) -> int | None:
        """The kernel's stamp of the last byte read, on the monotonic scale; None where there is none to believe."""
        for level, kind, value in ancillary:
            if level == SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                stamp: int = seconds * 1_000_000_000 + nanoseconds - self._polls.offset_ns
                if self._floor_ns - QUEUEING_NS <= stamp <= now:
                    return stamp
                self._tally.add("stamps_clamped")
                return None
        self._tally.add("reads_without_stamp")
        return None

    def _pass_on(self, items: list[Item], stamp: int | None, floor: int, now: int) -> None:
        """Give everything that one read completed its time."""
        at = now if stamp is None else stamp
        lag, width = now - max(at, self._resumed_ns), max(at - floor, 0)  # a pause is the user's, and no lag of ours
        last = items.pop()
        if items:
            self._tally.add("coalesced_frames", "", len(items))
            for item in items:
                self._on_item(item, at, width, lag)
        if self._left_some or self._incoming.inside or (self._tls is not None and self._tls.mid_record):
            self._tally.add("coalesced_frames")  # the stamp is that of a byte behind the frame
        elif stamp is not None:
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
            self._on_pong(bytes(frame.data), at)
        elif frame.opcode is CLOSE and self._close_sent_ns is not None:
            self._close_ns = max(at - self._close_sent_ns, 0)

    def _on_pong(self, payload: bytes, at: int) -> None:
        """A pong answers the ping whose payload it has, and those before it; else nobody asked for it.

        RFC 6455, section 5.5.3: an endpoint may answer the most recent ping alone.
        """
        if len(payload) != _PING.size or _PING.unpack(payload)[0] not in self._pings_open:
            return
        while self._pings_open:
            sent = self._pings_open.pop(0)
            self._listener.on_pong(max(at - sent, 0))
            if _PING.pack(sent) == payload:
                return

    def _on_ping(self, at: int) -> None:
        if self._silent:
            return
        self._tally.add("pings_answered")
        if at - self._pings_since_ns > FLOOD_NS:
            self._pings, self._pings_since_ns = 0, at
        self._pings += 1
        if self._pings == FLOOD:
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
            self._close_timer = get_hub().loop.timer(CLOSE_TIMEOUT_S)
            self._close_timer.start(self._end)

    def _end(self) -> None:
        """Close the socket and tell whoever waits; safe to call twice."""
        if self._ended:
            return
        self._ended = True
        self._release()
        if not self._open and not self._upgraded.ready():
            self._upgraded.set_exception(self._refusal())
            return
        self._protocol.receive_eof()
        received = self._protocol.close_rcvd
        code = received.code if received is not None else CLOSE_ABNORMAL
        sent = self._protocol.close_sent
        reason = received.reason if received is not None else ""
        if received is None and sent is not None and self._by is ClosedBy.SERVER:
            reason = f"our protocol check: {sent.code} {sent.reason}".strip()
        elif received is None and self._by is ClosedBy.READ_TIMEOUT:
            reason = f"nothing received for {self._endpoint.read_timeout_s:g} s"
        elif received is None and self._by is ClosedBy.PING_TIMEOUT:
            reason = f"nothing received for {self._endpoint.ping_timeout_s:g} s, and a ping not answered"
        elif received is None and len(self._out) > MOST_WAITING:
            reason = f"took nothing in: more than {MOST_WAITING // 2**20} MiB waited to be sent"
        elif received is None and self._tls is not None and self._tls.broken is not None:
            reason = f"TLS: {fault(self._tls.broken)[1]}"
        half_open = self._by in (ClosedBy.READ_TIMEOUT, ClosedBy.PING_TIMEOUT)
        lost_ns = self._floor_ns if half_open else self._close_sent_ns
        quiet_ns = time.monotonic_ns() - self._traffic_ns
        self._listener.on_closed(Closed(code, reason, self._by, self._close_ns, lost_ns, quiet_ns))

    def _refusal(self) -> DialError:
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            return DialError(f"http {status}", f"HTTP {status} at the upgrade")
        if isinstance(error, NegotiationError):
            return DialError("not offered", "it chose an extension or a subprotocol that was not offered")
        if self._tls is not None and self._tls.broken is not None:
            return DialError(*fault(self._tls.broken))
        if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError):
            return DialError("no websocket", "the answer to the upgrade is no valid WebSocket handshake")
        return DialError("closed", "the server closed the connection before the upgrade")

    def _release(self) -> None:
        self._ended = True
        for watcher in (self._reader, self._writer, self._close_timer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._writer = self._close_timer = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
