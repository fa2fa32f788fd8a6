"""One TLS client connection without I/O: bytes of the network in and plain bytes out, and the other way round."""

from __future__ import annotations

import ssl
from enum import StrEnum
from typing import Final

from loadtest.client.boundary import Boundary, record_size

READ_SIZE: Final = 65_536


class TlsFault(StrEnum):
    """Why there is no TLS with a server; the words of a failed connect's outcome."""

    AUTHORITY = "tls unknown authority"
    NAME = "tls other name"
    EXPIRED = "tls expired"
    NOT_YET = "tls not yet valid"
    CLIENT_CERTIFICATE = "tls client certificate"
    """The server wants one of ours, or another one."""
    NO_TLS = "tls not spoken"
    """What answers speaks something else."""
    OTHER = "tls"


_BY_CODE: Final = {
    9: TlsFault.NOT_YET,
    10: TlsFault.EXPIRED,
    18: TlsFault.AUTHORITY,
    19: TlsFault.AUTHORITY,
    20: TlsFault.AUTHORITY,
    21: TlsFault.AUTHORITY,
    62: TlsFault.NAME,
    64: TlsFault.NAME,
}
"""Results of OpenSSL's check of a certificate (X509_V_ERR_*, openssl/x509_vfy.h)."""
_NOT_SPOKEN: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
_OURS: Final = ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED",
                "CERTIFICATE_REVOKED", "UNSUPPORTED_CERTIFICATE", "ACCESS_DENIED")  # fmt: skip
"""Alerts of a server on our certificate (RFC 8446, section 6.2)."""


def fault(error: ssl.SSLError) -> tuple[TlsFault, str]:
    """What a TLS error means, and OpenSSL's words for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_CODE.get(error.verify_code, TlsFault.OTHER), error.verify_message.rstrip(".")
    reason = error.reason or "handshake failed"
    if reason in _NOT_SPOKEN:
        return TlsFault.NO_TLS, reason
    ours = "ALERT" in reason and reason.endswith(_OURS)
    return TlsFault.CLIENT_CERTIFICATE if ours else TlsFault.OTHER, reason


class TlsStream:
    """A client's side of TLS.

    Args:
        context: its settings and trust.
        host: the name that the certificate has to be for.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_records", "broken", "ended")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False
        self.broken: ssl.SSLError | None = None
        """What the stream broke by; None where it goes on or ended well."""
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
            except ssl.SSLZeroReturnError:
                self.ended = True
            except ssl.SSLError as error:
                self.ended, self.broken = True, error
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
    def version(self) -> str:
        """Of the protocol agreed on, such as `TLSv1.3`."""
        return self._object.version() or "TLS"

    @property
    def mid_record(self) -> bool:
        """Whether the last byte fed is not the last of its record, which cannot be read before it is whole."""
        return self._records.inside
