"""Why the connection before a run failed, and what to do: one line that names the option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from loadtest.client.endpoint import Endpoint
from loadtest.client.tls import TlsFault
from loadtest.load.own_login import OPTION
from loadtest.model import NO_FILE, NO_PORT
from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED
from loadtest.settings import Address, Settings

_ON_ITS_WAY: Final[Mapping[str, str]] = {
    "refused": "{option}: nobody listens at {place}; start the server, or correct the address",
    "dns": "{option}: {detail}; correct the name, or name a proxy that knows it by HTTPS_PROXY",
    "unreachable": "{option}: {detail}; correct the address, or name a proxy by HTTPS_PROXY",
    NO_PORT: (
        "--source-addresses: no free port to connect from ({detail}); wait a minute for those of an earlier run, or "
        "give several addresses of this machine"
    ),
    NO_FILE: "--users: {detail} already before the run; raise the limit of open files (ulimit -n)",
    "timeout": (
        "{option}: {url}: {detail}; correct the address, look for a firewall on the way, or raise --connect-timeout"
    ),
    "proxy refused": "{variable}: nobody listens at the proxy {proxy}; correct the address, or list {aim} in NO_PROXY",
    "proxy dns": "{variable}: the proxy has no address: {detail}; correct the name, or list {aim} in NO_PROXY",
    "proxy unreachable": "{variable}: no way to the proxy: {detail}; correct the address, or list {aim} in NO_PROXY",
    "proxy 407": (
        "{variable}: the proxy {proxy} asks who we are (HTTP 407); give http://USER:PASSWORD@{proxy}, or list {aim} in "
        "NO_PROXY"
    ),
    "proxy": "{variable}: {proxy} is no proxy for {target}: {detail}; correct the address, or list {aim} in NO_PROXY",
}
_OF_TLS: Final[Mapping[str, str]] = {
    TlsFault.AUTHORITY: (
        "{address}: the certificate of {target} is from no authority that this machine trusts ({detail}); name the one "
        "that issued it with --ca-file FILE"
    ),
    TlsFault.NAME: (
        "{address}: the certificate of {target} is not for {host} ({detail}); give a name that it is for as {address}"
        "{elsewhere}"
    ),
    TlsFault.EXPIRED: (
        "{address}: the certificate of {target} has expired; have it renewed, or go on with --insecure until it is"
    ),
    TlsFault.NOT_YET: ("{address}: the certificate of {target} is not valid yet; set the clock of this machine right"),
    TlsFault.CLIENT_CERTIFICATE: (
        "--client-cert: {target} wants a certificate of ours ({detail}); give --client-cert and --client-key"
    ),
    TlsFault.NO_TLS: (
        "{address}: {target} does not speak TLS; give {plain}:// in place of {plain}s://, or another port"
    ),
    TlsFault.OTHER: (
        "{address}: TLS with {target} failed ({detail}); if it wants a certificate of ours, give --client-cert, if it "
        "speaks no TLS, {plain}://"
    ),
}
_OF_THE_UPGRADE: Final[Mapping[str, str]] = {
    "closed": "--host: no connection to {url}: {detail}; correct the port{or_tls}",
    "no websocket": "--host: {url} answered, but not as a WebSocket server; correct the path or the port{or_tls}",
    "not offered": (
        "--subprotocol / --no-compression: {url}: {detail}, which a browser would refuse, too; offer what it speaks"
    ),
    AUTH_FAILED: "{source}: {url} refused the token with AUTH_FAILED ({detail}); {better_token}",
    AUTH_REQUIRED: (
        "--token-in: {url} saw no token (AUTH_REQUIRED: {detail}) in {token_in}; say where it looks for it, as in "
        "header:Authorization or cookie:NAME"
    ),
}
_BETTER_TOKEN: Final[Mapping[str, str]] = {
    "--jwt-secret": "give the server's own secret, and the claims that it wants by --jwt-claims",
    "--jwt-key": "give the key that it has the public half of, and the claims that it wants by --jwt-claims",
    "--tokens-file": "give fresh tokens of this server",
    "--login-url": "the login is another server's, or --login-token-path names another token",
    OPTION: "return the token that this server takes",
}
_TEXTS: Final = {**_ON_ITS_WAY, **_OF_TLS, **_OF_THE_UPGRADE}
_ANY_HTTP: Final = "--host: {url} answered {detail}; correct the path (often /ws) or the port{or_tls}"
_BAD_REQUEST_OVER_TLS: Final = (
    "--host: {url} answered {detail}; if it wants a certificate of ours, as nginx says so, give --client-cert and "
    "--client-key, or else correct the path (often /ws) or the port"
)
_ANY_PROXY: Final = (
    "{variable}: the proxy {proxy} would not connect us to {target} ({detail}); have it allowed, or list {aim} in "
    "NO_PROXY"
)
_ANY: Final = "--host: no connection to {url}: {outcome} ({detail})"
_OURS_NOT_TAKEN: Final = (
    "--client-cert: {target} does not take the certificate in {client_cert} ({detail}); give one of an authority that "
    "it trusts"
)
_NOT_IN_CA_FILE: Final = (
    "--ca-file: the certificate of {target} is from no authority in {ca_file} ({detail}); give the file with the one "
    "that issued it"
)


def explained(endpoint: Endpoint, chosen: Settings, source: str, outcome: str, detail: str) -> str:
    """The line for one outcome of a connect (`model.Connect`) and its detail.

    Args:
        source: the option that the token came from.
    """
    proxy, target = endpoint.proxy, endpoint.target
    return _text(chosen, outcome, endpoint.secure).format(
        outcome=outcome,
        detail=f"HTTP {outcome[5:]} instead of 101" if outcome.startswith("http ") else detail,
        url=endpoint.url,
        host=endpoint.host,
        address="--host",
        elsewhere=f", and --connect-to {target}",
        plain="ws",
        target=target,
        option="--host" if endpoint.connect_to is None else "--connect-to",
        place=endpoint.url if endpoint.connect_to is None else target,
        or_tls="" if endpoint.secure else ", or give wss:// if it speaks TLS",
        ca_file=chosen.ca_file,
        client_cert=chosen.client_cert,
        proxy=proxy,
        variable=None if proxy is None else proxy.variable,
        aim=target.host,
        source=source,
        better_token=_BETTER_TOKEN.get(source, ""),
        token_in=chosen.token_in,
    )


def explained_tls(option: str, url: str, chosen: Settings, kind: str, detail: str) -> str:
    """The line for a TLS fault (`TlsFault`) of another server than the backend.

    Args:
        option: that gave its address.
        url: https:// address.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return _text(chosen, kind).format(
        address=option,
        target=Address(host, parts.port or 443),
        host=host,
        detail=detail,
        elsewhere="",
        plain="http",
        ca_file=chosen.ca_file,
        client_cert=chosen.client_cert,
    )


def _text(chosen: Settings, outcome: str, secure: bool = True) -> str:
    if outcome == TlsFault.AUTHORITY and chosen.ca_file:
        return _NOT_IN_CA_FILE
    if outcome == TlsFault.CLIENT_CERTIFICATE and chosen.client_cert:
        return _OURS_NOT_TAKEN
    if outcome == "http 400" and secure and not chosen.client_cert:
        return _BAD_REQUEST_OVER_TLS
    general = _ANY_HTTP if outcome.startswith("http ") else _ANY_PROXY if outcome.startswith("proxy ") else _ANY
    return _TEXTS.get(outcome, general)
