"""One WebSocket on a socket of gevent's event loop, with the kernel's receive times.

Reads happen in an I/O callback of the hub, with no greenlet of their own: one non-blocking `recvmsg` feeds the Sans-I/O
protocol of `websockets`. Each frame is passed on with

- `at_ns`: when its last byte reached this machine, by the kernel's clock (`SO_TIMESTAMPNS`), on the monotonic scale;
- `bound_ns`: the frame arrived within this long *before* `at_ns`. Frames that were waiting together share the stamp of
  the last byte queued; each of them arrived after the previous read of the socket. 0 when the stamp is the frame's own;
- `lag_ns`: from `at_ns` to our callback, which is the generator's own delay and in no latency.

Nothing here logs: `websockets` shows the token in the text of its requests and addresses.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
import struct
import sys
import time
from enum import IntEnum
from typing import Any, Final, Protocol

import gevent
import gevent.event
import gevent.socket
from gevent.hub import get_hub
from msgspec import Struct
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from loadtest.protocol import CLOSE_ABNORMAL, CLOSE_NORMAL

SO_TIMESTAMPNS: Final = 35
"""socket(7), asm-generic/socket.h; the standard library does not name it."""
KERNEL_STAMPS: Final = sys.platform == "linux"
READ_SIZE: Final = 65_536
CLOSE_TIMEOUT_S: Final = 3.0
"""How long a peer may take to finish the closing handshake."""

_ANCILLARY: Final = _socket.CMSG_SPACE(16) if KERNEL_STAMPS else 0
_TIMESPEC: Final = struct.Struct("qq")
_RESET: Final = struct.pack("ii", 1, 0)
_READ, _WRITE = 1, 2
_IN_PROGRESS: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EISCONN)


class ClosedBy(IntEnum):
    """Who ended a connection."""

    SERVER = 0
    CLIENT = 1
    RESET = 2
    """The client, on purpose and without a close frame."""


class DialError(Exception):
    """No WebSocket came about.

    Attributes:
        kind: `dns`, `refused`, `unreachable`, `timeout`, `tls`, `http NNN`, `no websocket` or `closed`.
        detail: what was seen, without the query of the address.
    """

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}")


class Dialled(Struct, frozen=True):
    """Durations of the parts of a dial, ns; `tls_ns` is None without TLS."""

    tcp_ns: int
    tls_ns: int | None
    upgrade_ns: int


class Closed(Struct, frozen=True):
    """How a connection ended: close code (1006 without a close frame), reason, who, and how long our close took, ns."""

    code: int
    reason: str
    by: ClosedBy
    close_ns: int | None


class Listener(Protocol):
    """What a transport tells; called from the event loop's callback, so it must not block."""

    def on_frame(self, data: bytes, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_closed(self, closed: Closed) -> None: ...


class _Nobody:
    """The listener of a connection that nobody cares for any more."""

    def on_frame(self, data: bytes, text: bool, at_ns: int, bound_ns: int, lag_ns: int) -> None: ...
    def on_pong(self, rtt_ns: int) -> None: ...
    def on_closed(self, closed: Closed) -> None: ...


class Tally(Protocol):
    """Counts by name and key."""

    def add(self, name: str, key: str = "", value: int = 1) -> None: ...


class Transport:
    """One connection, from dial to close; not reusable.

    Args:
        url: ws:// or wss:// address, token included.
        listener: told of frames, pongs and the end.
        tally: counts bytes, frames, shared and clamped stamps.
        max_frame_size: bytes; a larger message closes the connection with 1009.
        tls: context for wss://.
    """

    def __init__(
        self, url: str, listener: Listener, tally: Tally, *, max_frame_size: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._uri = parse_uri(url)
        self._listener = listener
        self._tally = tally
        self._tls_context = tls
        self._protocol = ClientProtocol(self._uri, max_size=max_frame_size)
        self._socket: _socket.socket | None = None
        self._reader: Any = None
        self._writer: Any = None
        self._close_timer: Any = None
        self._out = bytearray()
        self._fragments: list[bytes] = []
        self._fragments_text = True
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._upgraded: gevent.event.AsyncResult = gevent.event.AsyncResult()
        self._open = False
        self._ended = False
        self._by = ClosedBy.SERVER
        self._previous_read_ns = 0
        self._close_sent_ns: int | None = None
        self._close_ns: int | None = None
        self._ping_sent_ns: int | None = None

    # --- opening ------------------------------------------------------------------------------------------------------
    def dial(self, timeout_s: float) -> Dialled:
        """Connect, secure and upgrade; blocks the calling greenlet.

        Raises:
            DialError: no WebSocket came about; the socket is closed.
        """
        try:
            with gevent.Timeout(timeout_s, TimeoutError()):
                return self._dial()
        except TimeoutError:
            self._release()
            raise DialError("timeout", f"no WebSocket within {timeout_s:g} s") from None
        except BaseException:
            self._release()
            raise

    def _dial(self) -> Dialled:
        began = time.monotonic_ns()
        self._connect_tcp()
        connected = time.monotonic_ns()
        if self._uri.secure:
            self._handshake_tls()
        secured = time.monotonic_ns()
        self._watch()
        self._protocol.send_request(self._protocol.connect())
        self._flush_protocol()
        self._upgraded.get()
        self._open = True
        upgraded = time.monotonic_ns()
        return Dialled(connected - began, secured - connected if self._uri.secure else None, upgraded - secured)

    def _connect_tcp(self) -> None:
        try:
            addresses = gevent.socket.getaddrinfo(self._uri.host, self._uri.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise DialError("dns", f"{self._uri.host}: {error.strerror or error}") from None
        error_number = errno.ECONNREFUSED
        for family, kind, proto, _, address in addresses:
            sock = _socket.socket(family, kind, proto)
            self._socket = sock
            error_number = self._connect_to(sock, address)
            if error_number == 0:
                return
            sock.close()
        self._socket = None
        name = "refused" if error_number == errno.ECONNREFUSED else "unreachable"
        raise DialError(name, f"{self._uri.host}:{self._uri.port}: {os.strerror(error_number)}")

    def _connect_to(self, sock: _socket.socket, address: Any) -> int:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if KERNEL_STAMPS:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        result = sock.connect_ex(address)
        if result not in _IN_PROGRESS:
            return result
        self._wait(_WRITE)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _wait(self, events: int) -> None:
        assert self._socket is not None
        watcher = get_hub().loop.io(self._socket.fileno(), events)
        try:
            get_hub().wait(watcher)
        finally:
            watcher.close()

    def _handshake_tls(self) -> None:
        assert self._socket is not None
        context = self._tls_context or ssl.create_default_context()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._uri.host)
        try:
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    self._send_now(self._outgoing.read())
                    self._incoming.write(self._receive_now())
                else:
                    self._send_now(self._outgoing.read())
                    return
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or "handshake failed"
            raise DialError("tls", str(reason)) from None
        except OSError as error:
            raise DialError("tls", error.strerror or "connection lost in the handshake") from None

    def _send_now(self, data: bytes) -> None:
        assert self._socket is not None
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                self._wait(_WRITE)

    def _receive_now(self) -> bytes:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(READ_SIZE)
            except BlockingIOError:
                self._wait(_READ)
                continue
            if not data:
                raise OSError(0, "the server closed the connection in the TLS handshake")
            return data

    def _watch(self) -> None:
        assert self._socket is not None
        self._previous_read_ns = time.monotonic_ns()
        loop = get_hub().loop
        self._reader = loop.io(self._socket.fileno(), _READ)
        self._writer = loop.io(self._socket.fileno(), _WRITE)
        self._reader.start(self._on_readable)

    # --- sending ------------------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> None:
        """Hand a text frame over; never blocks, what the socket does not take waits in the out-buffer."""
        if self._protocol.state is State.OPEN and not self._ended:
            self._protocol.send_text(data)
            self._tally.add("frames_sent")
            self._tally.add("bytes_sent", "", len(data))
            self._flush_protocol()

    def ping(self) -> None:
        """Send a WebSocket ping, unless one is still unanswered."""
        if self._protocol.state is State.OPEN and not self._ended and self._ping_sent_ns is None:
            self._ping_sent_ns = time.monotonic_ns()
            self._protocol.send_ping(b"loadtest")
            self._flush_protocol()

    def close(self, code: int) -> None:
        """Begin the closing handshake; `on_closed` follows within `CLOSE_TIMEOUT_S`."""
        if self._ended:
            return
        self._by = ClosedBy.CLIENT
        if self._protocol.state is State.OPEN:
            self._close_sent_ns = time.monotonic_ns()
            self._protocol.send_close(code)
            self._flush_protocol()
            self._expect_close()
        elif self._protocol.state is State.CONNECTING:
            self._end()

    def abandon(self) -> None:
        """Close politely, and tell the listener nothing more."""
        self._listener = _Nobody()
        self.close(CLOSE_NORMAL)

    def reset(self) -> None:
        """Tear the connection down at once, without a close frame (TCP RST)."""
        if self._socket is not None and not self._ended:
            self._by = ClosedBy.RESET
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._end()

    def _flush_protocol(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._out += self._encrypted(data)
            else:
                self._half_close()
        if self._out:
            self._flush()

    def _encrypted(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        self._tls.write(data)
        return self._outgoing.read()

    def _flush(self) -> None:
        if self._socket is None:
            return
        try:
            del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._end()
            return
        if self._out and not self._writer.active:
            self._writer.start(self._on_writable)

    def _on_writable(self) -> None:
        self._flush()
        if not self._out and self._writer is not None:
            self._writer.stop()

    def _half_close(self) -> None:
        if self._socket is not None and not self._out:
            try:
                self._socket.shutdown(socket.SHUT_WR)
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
        assert self._socket is not None
        began = time.monotonic_ns()
        try:
            data, ancillary, _, _ = self._socket.recvmsg(READ_SIZE, _ANCILLARY)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary = b"", []
        now, real_now = time.monotonic_ns(), time.time_ns()
        if not data:
            self._protocol.receive_eof()
            self._end()
            return
        at = self._arrival(ancillary, now, real_now)
        previous = self._previous_read_ns
        if len(data) < READ_SIZE:  # a full read may have left older bytes behind, so it bounds nothing
            self._previous_read_ns = began
        self._feed(data)
        if self._socket is not None:
            self._flush_protocol()
        self._pass_on(at, at - previous, now)
        self._after_feeding()

    def _arrival(self, ancillary: list[Any], now: int, real_now: int) -> int:
        """The kernel's stamp on the monotonic scale, clamped to [previous read, now]."""
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                stamp: int = now - (real_now - seconds * 1_000_000_000 - nanoseconds)
                if self._previous_read_ns <= stamp <= now:
                    return stamp
                self._tally.add("stamps_clamped")
                return min(max(stamp, self._previous_read_ns), now)
        self._tally.add("reads_without_stamp")
        return now

    def _feed(self, data: bytes) -> None:
        if self._tls is None:
            self._protocol.receive_data(data)
            return
        self._incoming.write(data)
        while True:
            try:
                plain = self._tls.read(READ_SIZE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                plain = b""
            if not plain:
                self._protocol.receive_eof()
                break
            self._protocol.receive_data(plain)

    def _pass_on(self, at: int, width: int, now: int) -> None:
        events = self._protocol.events_received()
        last = len(events) - 1
        partial = bool(self._protocol.reader.buffer)
        for place, event in enumerate(events):
            if self._ended:
                return
            shared = place < last or partial
            if shared:
                self._tally.add("coalesced_frames")
            if isinstance(event, Frame):
                self._on_frame(event, at, width if shared else 0, now - at)
            else:
                self._on_response(event)

    def _on_frame(self, frame: Frame, at: int, bound: int, lag: int) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._listener.on_frame(bytes(frame.data), opcode is Opcode.TEXT, at, bound, lag)
            else:
                self._fragments, self._fragments_text = [bytes(frame.data)], opcode is Opcode.TEXT
        elif opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole, self._fragments = b"".join(self._fragments), []
                self._listener.on_frame(whole, self._fragments_text, at, bound, lag)
        elif opcode is Opcode.PONG and self._ping_sent_ns is not None:
            self._listener.on_pong(max(at - self._ping_sent_ns, 0))
            self._ping_sent_ns = None
        elif opcode is Opcode.CLOSE and self._close_sent_ns is not None:
            self._close_ns = max(at - self._close_sent_ns, 0)

    def _on_response(self, response: Any) -> None:
        if isinstance(response, Response) and self._protocol.handshake_exc is None:
            self._upgraded.set(None)

    def _after_feeding(self) -> None:
        if self._ended:
            return
        if self._protocol.handshake_exc is not None:
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
        self._listener.on_closed(Closed(code, reason, self._by, self._close_ns))

    def _refusal(self) -> DialError:
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            return DialError(f"http {status}", f"HTTP {status} at the upgrade")
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
