"""One TLS client connection without I/O: bytes of the network in and plain bytes out, and the other way round."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final

READ_SIZE: Final = 65_536
_HEADER: Final = 5
"""Length of a record's header, of which the last two bytes are the length of what follows (RFC 8446, section 5.1)."""


class TlsStream:
    """A client's side of TLS.

    Args:
        context: its settings and trust.
        host: the name that the certificate has to be for.
    """

    __slots__ = ("_header", "_incoming", "_left", "_object", "_outgoing")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._header = b""
        self._left = 0

    def shake(self) -> bool:
        """Go on with the handshake; whether it is done. Raises ssl.SSLError where it fails."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> None:
        """Take in bytes of the network."""
        self._incoming.write(data)
        self._follow(data)

    def plain(self) -> Iterator[bytes]:
        """What can be read of them so far; ends with b"" where the stream ended, or broke."""
        while True:
            try:
                data = self._object.read(READ_SIZE)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError:
                data = b""
            yield data
            if not data:
                return

    def sealed(self, data: bytes) -> bytes:
        """Plain bytes as they go to the network, behind whatever TLS itself has to say."""
        self._object.write(data)
        return self._outgoing.read()

    def to_send(self) -> bytes:
        """What TLS itself has to say to the network."""
        return self._outgoing.read()

    @property
    def mid_record(self) -> bool:
        """Whether the last byte fed is not the last of its record, which cannot be read before it is whole."""
        return self._left > 0 or bool(self._header)

    def _follow(self, data: bytes) -> None:
        place = 0
        while place < len(data):
            if self._left:
                step = min(self._left, len(data) - place)
                self._left -= step
            else:
                step = min(_HEADER - len(self._header), len(data) - place)
                self._header += data[place : place + step]
                if len(self._header) == _HEADER:
                    self._left, self._header = int.from_bytes(self._header[3:]), b""
            place += step
