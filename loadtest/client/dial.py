"""Opening a connection: TCP with the kernel's receive stamps switched on, and TLS over it."""

from __future__ import annotations

import _socket
import errno
import os
import socket
import ssl
import sys
from contextlib import suppress
from typing import Any, Final

import gevent.socket
from gevent.hub import get_hub

from loadtest.client.tls import READ_SIZE, TlsStream

SO_TIMESTAMPNS: Final = 35
"""socket(7), asm-generic/socket.h; the standard library does not name it."""
KERNEL_STAMPS: Final = sys.platform == "linux"
READ, WRITE = 1, 2
"""Events of gevent's I/O watchers."""

_IN_PROGRESS: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EISCONN)


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


def connect_tcp(host: str, port: int) -> _socket.socket:
    """A connected non-blocking socket; blocks the calling greenlet.

    Raises:
        DialError: no address of the host took the connection.
    """
    try:
        addresses = gevent.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DialError("dns", f"{host}: {error.strerror or error}") from None
    error_number = errno.ECONNREFUSED
    for family, kind, proto, _, address in addresses:
        sock = _socket.socket(family, kind, proto)
        try:
            error_number = _connect_to(sock, address)
        except BaseException:
            sock.close()
            raise
        if error_number == 0:
            return sock
        sock.close()
    name = "refused" if error_number == errno.ECONNREFUSED else "unreachable"
    raise DialError(name, f"{host}:{port}: {os.strerror(error_number)}")


def _connect_to(sock: _socket.socket, address: Any) -> int:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if KERNEL_STAMPS:
        with suppress(OSError):  # a Linux in name only (gVisor): reads come without stamps then, and are counted
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    result = sock.connect_ex(address)
    if result not in _IN_PROGRESS:
        return result
    _wait(sock, WRITE)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


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
        reason = getattr(error, "verify_message", None) or error.reason or "handshake failed"
        raise DialError("tls", str(reason)) from None
    except OSError as error:
        raise DialError("tls", error.strerror or "connection lost in the handshake") from None
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
