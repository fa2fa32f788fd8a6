"""One TLS client connection without I/O: bytes of the network in and plain bytes out, and the other way round."""

from __future__ import annotations

import ssl
from typing import Final

from loadtest.client.boundary import Boundary, record_size

READ_SIZE: Final = 65_536


class TlsStream:
    """A client's side of TLS.

    Args:
        context: its settings and trust.
        host: the name that the certificate has to be for.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_records", "ended")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False
        self._records = Boundary(record_size)

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
        self._records.follow(data)

    def opened(self, data: bytes) -> bytes:
        """The plain bytes that these bytes of the network complete; `ended` says if the stream ended or broke."""
        self.feed(data)
        pieces = []
        while not self.ended:
            try:
                pieces.append(self._object.read(READ_SIZE))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                self.ended = True
            else:
                self.ended = not pieces[-1]
        return b"".join(pieces)

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
        return self._records.inside
