"""Opening a connection: TCP with the kernel's receive stamps switched on, a proxy's tunnel, and TLS over it."""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import gevent
import gevent.socket
from gevent.hub import get_hub
from msgspec import Struct

from loadtest.client import proxy as proxies
from loadtest.client.proxy import Proxy
from loadtest.client.tls import READ_SIZE, TlsFault, TlsStream, fault
from loadtest.model import NO_FILE, NO_PORT
from loadtest.settings import Address

SO_TIMESTAMPNS: Final = 35
"""socket(7), asm-generic/socket.h; the standard library does not name it."""
KERNEL_STAMPS: Final = sys.platform == "linux"
IP_BIND_ADDRESS_NO_PORT: Final = 24
"""ip(7): the port is chosen at the connect, where it need be unique only together with the server's address."""
READ, WRITE = 1, 2
"""Events of gevent's I/O watchers."""

_IN_PROGRESS: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EISCONN)
_KINDS: Final = {errno.ECONNREFUSED: "refused", errno.EADDRNOTAVAIL: NO_PORT}


class DialError(Exception):
    """No WebSocket came about.

    Attributes:
        kind: `dns`, `refused`, `unreachable`, `NO_PORT`, `NO_FILE`, `timeout`, one of `TlsFault`, `http NNN`,
            `no websocket`, `not offered` or `closed`; of a proxy on the way `proxy dns`, `proxy refused`,
            `proxy unreachable`, `proxy NNN` or `proxy` alone.
        detail: what was seen, without the query of the address.
    """

    def __init__(self, kind: str, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}")


class Dialled(Struct, frozen=True):
    """Durations of the parts of a dial, ns; `tls_ns` is None without TLS, `proxy_ns` without a proxy."""

    tcp_ns: int
    proxy_ns: int | None
    tls_ns: int | None
    upgrade_ns: int


def connect_tcp(target: Address, source: str | None = None, timeout_s: float | None = None) -> _socket.socket:
    """A connected non-blocking socket; blocks the calling greenlet.

    Args:
        source: address of this machine to connect from; None for the one that the system chooses.
        timeout_s: what each of several addresses but the last has its share of, so that one that swallows everything,
            as IPv6 often does where it is not routed, leaves time for the next; None for any.

    Raises:
        DialError: no address of the host took the connection.
    """
    try:
        found = gevent.socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a name with an empty or overlong part cannot even be encoded
        raise DialError("dns", f"{target.host}: {getattr(error, 'strerror', None) or error}") from None
    sock, error_number = connect_first([(family, address) for family, _, _, _, address in found], source, timeout_s)
    if sock is None:
        raise DialError(_KINDS.get(error_number, "unreachable"), f"{target}: {os.strerror(error_number)}")
    return sock


def connect_first(
    addresses: Sequence[tuple[int, Any]], source: str | None, timeout_s: float | None
) -> tuple[_socket.socket | None, int]:
    """The socket of the first address that takes a connection; None and the last error number where none does.

    Args:
        addresses: families and addresses as `getaddrinfo` has them; at least one.
        source: as for `connect_tcp`, as is `timeout_s`.
    """
    share_s = None if timeout_s is None else timeout_s / len(addresses)
    error_number = errno.ECONNREFUSED
    for place, (family, address) in enumerate(addresses, 1):
        sock = _new_socket(family)
        try:
            error_number = _bind(sock, source) or _connect_to(
                sock, address, share_s if place < len(addresses) else None
            )
        except BaseException:
            sock.close()
            raise
        if error_number == 0:
            return sock, 0
        sock.close()
    return None, error_number


def _new_socket(family: int) -> _socket.socket:
    try:
        return _socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise DialError(NO_FILE, error.strerror or "no socket to be had") from None


def _bind(sock: _socket.socket, source: str | None) -> int:
    """Have a socket connect from an address of this machine; returns the error number, 0 for none."""
    if source is None:
        return 0
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((source, 0))
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


def _connect_to(sock: _socket.socket, address: Any, patience_s: float | None) -> int:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if KERNEL_STAMPS:
        with suppress(OSError):  # a Linux in name only (gVisor): reads come without stamps then, and are counted
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    result = sock.connect_ex(address)
    if result not in _IN_PROGRESS:
        return result
    with gevent.Timeout(patience_s, False):
        _wait(sock, WRITE)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.ETIMEDOUT


def connect_proxy(proxy: Proxy, source: str | None = None, timeout_s: float | None = None) -> _socket.socket:
    """A socket connected to a proxy; blocks the calling greenlet.

    Args:
        source: as for `connect_tcp`, as is `timeout_s`.

    Raises:
        DialError: no address of the proxy took the connection.
    """
    try:
        return connect_tcp(proxy.address, source, timeout_s)
    except DialError as error:
        raise DialError(f"proxy {error.kind}", error.detail) from None


def tunnel(sock: _socket.socket, proxy: Proxy, target: Address) -> None:
    """Have a proxy connect a socket to the target; blocks the calling greenlet.

    Raises:
        DialError: it would not, or is no proxy.
    """
    try:
        _send(sock, proxies.connect_request(proxy, target))
        answer = b""
        while b"\r\n\r\n" not in answer and len(answer) < proxies.LONGEST_ANSWER:
            answer += _receive(sock)
    except OSError:
        raise DialError("proxy", "it closed the connection without an answer") from None
    status = proxies.status(answer)
    if status is None:
        raise DialError("proxy", "its answer is no HTTP")
    if status // 100 != 2:
        raise DialError(f"proxy {status}", f"HTTP {status}")
    if not answer.endswith(b"\r\n\r\n"):  # servers of TLS and WebSocket wait for us to speak
        raise DialError("proxy", "it said more than that the tunnel is there")


def handshake_tls(sock: _socket.socket, context: ssl.SSLContext | None, host: str) -> TlsStream:
    """Secure a connected socket; blocks the calling greenlet.

    Raises:
        DialError: the handshake failed, or the certificate is not trusted.
    """
    tls = TlsStream(context or ssl.create_default_context(), host)
    try:
        while not tls.shake():
            _send(sock, tls.to_send())
            tls.feed(_receive(sock))
        _send(sock, tls.to_send())
    except ssl.SSLError as error:
        raise DialError(*fault(error)) from None
    except OSError as error:
        raise DialError(TlsFault.OTHER, error.strerror or "connection lost in the handshake") from None
    return tls


def _send(sock: _socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            _wait(sock, WRITE)


def _receive(sock: _socket.socket) -> bytes:
    while True:
        try:
            data = sock.recv(READ_SIZE)
        except BlockingIOError:
            _wait(sock, READ)
            continue
        if not data:
            raise OSError(0, "the server closed the connection in the TLS handshake")
        return data


def _wait(sock: _socket.socket, events: int) -> None:
    watcher = get_hub().loop.io(sock.fileno(), events)
    try:
        get_hub().wait(watcher)
    finally:
        watcher.close()
