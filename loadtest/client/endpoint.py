"""Where a client's backend is, and what a connection says of itself at the upgrade.

The only place that builds the address and the headers of the upgrade request.
"""

from __future__ import annotations

import logging
import secrets
import ssl
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct
from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from loadtest import __version__
from loadtest.client.deflate import OfferDeflate
from loadtest.client.proxy import Proxy
from loadtest.client.tally import Tally
from loadtest.settings import Address, Carrier, Header, Parameter, TokenPlace

GUIDE_PLACE: Final = TokenPlace()
USER_AGENT: Final = f"chat-loadtest/{__version__}"
_COOKIE: Final = "cookie"

_SILENT: Final = logging.Logger("loadtest.websocket", logging.CRITICAL + 1)
"""`websockets` logs requests with tokens and headers in them where logging is at DEBUG: not through this one."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """A backend as one run reaches it.

    Attributes:
        url: ws:// or wss:// address without a query.
        connect_timeout_s: from the dial to `connection:authenticated`.
        read_timeout_s: longest silence of a connection before it is taken for dead; None for any.
        ping_timeout_s: the same, where a ping goes out after half of it; None for no pings.
        max_frame_size: bytes; a larger message closes the connection with 1009.
        headers: to send at the upgrade; the values may be secret.
        query: parameters to send beside the token; the values may be secret.
        subprotocols: to offer, the liked best first.
        connect_to: where TCP goes instead of to the address of `url`.
        proxy: to tunnel through.
        tls: for wss://.
        compression: whether to offer permessage-deflate.
        traced: whether each upgrade carries a trace id of its own (`traceparent`).
        sources: addresses of this machine to connect from, users in turn; the system's choice where there are none.
    """

    url: str
    connect_timeout_s: float
    max_frame_size: int
    read_timeout_s: float | None = None
    ping_timeout_s: float | None = None
    headers: tuple[Header, ...] = ()
    query: tuple[Parameter, ...] = ()
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()
    connect_to: Address | None = None
    proxy: Proxy | None = None
    tls: ssl.SSLContext | None = None
    compression: bool = True
    traced: bool = False
    sources: tuple[str, ...] = ()

    @property
    def secure(self) -> bool:
        return urlsplit(self.url).scheme == "wss"

    @property
    def host(self) -> str:
        """The name that the certificate has to be for."""
        return urlsplit(self.url).hostname or ""

    @property
    def target(self) -> Address:
        """Where the backend is to be found."""
        return self.connect_to or address_of(self.url)

    def source(self, user: int) -> str | None:
        """Where user number `user` connects from; None for the address that the system chooses."""
        return self.sources[user % len(self.sources)] if self.sources else None


class Credentials(Struct, frozen=True):
    """What one user shows at the upgrade; nothing of it may be stored or shown.

    Attributes:
        query: of the address, without the question mark.
        headers: beside those of the endpoint.
        subprotocols: beside those of the endpoint, behind them.
        trace_id: of this connection; None sends no `traceparent`.
    """

    query: str = ""
    headers: tuple[Header, ...] = ()
    subprotocols: tuple[str, ...] = ()
    trace_id: str | None = None


def new_trace_id() -> str:
    """A trace id, 32 hexadecimal digits. Random whatever the seed: the traces of two runs lie in one place."""
    return secrets.token_hex(16)


def credentials(token: str, place: TokenPlace = GUIDE_PLACE) -> Credentials:
    """A token where the backend looks for it; the guide's place is the query, as `token`. Without one, nothing."""
    if not token:
        return Credentials()
    value = place.written(token)
    match place.carrier:
        case Carrier.QUERY:
            return Credentials(query=_written(place.name, value))
        case Carrier.HEADER:
            return Credentials(headers=(Header(place.name, value),))
        case Carrier.COOKIE:
            return Credentials(headers=(Header("Cookie", f"{place.name}={value}"),))
        case Carrier.SUBPROTOCOL:
            return Credentials(subprotocols=(place.name, value))


def _written(name: str, value: str) -> str:
    """A parameter as the query has it."""
    return f"{quote(name, safe='')}={quote(value, safe='')}"


def address_of(url: str) -> Address:
    """Host and port of a ws:// or wss:// address."""
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80))


def new_protocol(endpoint: Endpoint, shown: Credentials, tally: Tally) -> ClientProtocol:
    """The protocol of one connection, which has not said anything yet.

    Args:
        tally: counts what compression saves.
    """
    subprotocols = [Subprotocol(name) for name in (*endpoint.subprotocols, *shown.subprotocols)]
    query = "&".join([*(_written(each.name, each.value) for each in endpoint.query), *filter(None, [shown.query])])
    return ClientProtocol(
        parse_uri(f"{endpoint.url}?{query}" if query else endpoint.url),
        origin=None if endpoint.origin is None else Origin(endpoint.origin),
        extensions=[OfferDeflate(tally)] if endpoint.compression else None,
        subprotocols=subprotocols or None,
        max_size=endpoint.max_frame_size,
        logger=_SILENT,
    )


def upgrade_request(protocol: ClientProtocol, endpoint: Endpoint, shown: Credentials) -> Request:
    """What the connection begins with."""
    request = protocol.connect()
    headers = (*endpoint.headers, *shown.headers)
    if not any(header.name.lower() == "user-agent" for header in headers):
        request.headers["User-Agent"] = USER_AGENT
    cookies = [header.value for header in headers if header.name.lower() == _COOKIE]
    for header in headers:
        if header.name.lower() != _COOKIE:
            request.headers[header.name] = header.value
    if cookies:  # a second line of them is the server's to ignore (RFC 6265, section 5.4)
        request.headers["Cookie"] = "; ".join(cookies)
    if shown.trace_id is not None:  # version, trace, parent, sampled: https://www.w3.org/TR/trace-context/
        request.headers["traceparent"] = f"00-{shown.trace_id}-{secrets.token_hex(8)}-01"
    return request
