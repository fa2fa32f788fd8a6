"""What came of the upgrade to WebSocket: what client and server agreed on, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, NegotiationError

from loadtest.client.deflate import CountedDeflate
from loadtest.client.dial import DialError
from loadtest.client.endpoint import Endpoint
from loadtest.client.tls import TlsStream, fault


def agreed(endpoint: Endpoint, protocol: ClientProtocol, tls: TlsStream | None) -> Iterator[str]:
    """What client and server have agreed on; holds no secret."""
    if tls is not None:
        yield tls.version
    if endpoint.compression:
        found = [each.agreed for each in protocol.extensions if isinstance(each, CountedDeflate)]
        yield found[0] if found else "no compression"
    if endpoint.subprotocols:  # others that were offered may be secret
        chosen = protocol.subprotocol
        known = chosen if chosen is None or chosen in endpoint.subprotocols else "of the user's"
        yield f"subprotocol {known}" if known else "no subprotocol"


def refusal(protocol: ClientProtocol, tls: TlsStream | None) -> DialError:
    """Why a connection ended before the upgrade."""
    error = protocol.handshake_exc
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return DialError(f"http {status}", f"HTTP {status} at the upgrade")
    if isinstance(error, NegotiationError):
        return DialError("not offered", "it chose an extension or a subprotocol that was not offered")
    if tls is not None and tls.broken is not None:
        return DialError(*fault(tls.broken))
    if isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError):
        return DialError("no websocket", "the answer to the upgrade is no valid WebSocket handshake")
    return DialError("closed", "the server closed the connection before the upgrade")
