"""Why the connection before a run failed, and what to do: one line that names the option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from loadtest.client.endpoint import Endpoint
from loadtest.client.tls import TlsFault
from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED
from loadtest.settings import Settings

Explanation = Callable[[Endpoint, Settings, str], str]
"""From where it went, how, and what was seen."""


def explained(endpoint: Endpoint, chosen: Settings, outcome: str, detail: str) -> str:
    """The line for one outcome of a connect (`model.Connect`) and its detail."""
    if outcome.startswith("proxy"):
        return _of_the_proxy(endpoint, outcome, detail)
    if outcome.startswith("http "):
        return _of_the_upgrade(endpoint, outcome[5:])
    if outcome in _EXPLANATIONS:
        return _EXPLANATIONS[outcome](endpoint, chosen, detail)
    return f"--host: no connection to {endpoint.url}: {outcome} ({detail})"


def _refused(endpoint: Endpoint, chosen: Settings, _detail: str) -> str:
    if chosen.connect_to is not None:
        return f"--connect-to: nobody listens at {chosen.connect_to}; start the server, or correct the address"
    return f"--host: nobody listens at {endpoint.url}; start the server, or correct the address"


def _unnamed(_endpoint: Endpoint, chosen: Settings, detail: str) -> str:
    option = "--host" if chosen.connect_to is None else "--connect-to"
    return f"{option}: {detail}; correct the name, or name a proxy by HTTPS_PROXY where only that knows it"


def _unreachable(_endpoint: Endpoint, chosen: Settings, detail: str) -> str:
    option = "--host" if chosen.connect_to is None else "--connect-to"
    return f"{option}: {detail}; correct the address, or name a proxy by HTTPS_PROXY"


def _timeout(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    return f"--host: {endpoint.url}: {detail}; is it the right address, is a firewall on the way? else raise " \
        "--connect-timeout"  # fmt: skip


def _auth_failed(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    return (
        f"--jwt-secret / --tokens-file: {endpoint.url} refused the token with AUTH_FAILED ({detail}); give the "
        "server's own secret, or fresh tokens"
    )


def _auth_required(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    return (
        f"--jwt-secret / --tokens-file: {endpoint.url} saw no token (AUTH_REQUIRED: {detail}); it may expect it "
        "elsewhere than in the query"
    )


def _unknown_authority(endpoint: Endpoint, chosen: Settings, detail: str) -> str:
    if chosen.ca_file:
        return (
            f"--ca-file: none in {chosen.ca_file} vouches for the certificate of {endpoint.target} ({detail}); give the "
            "file with the authority that issued it"
        )
    return (
        f"--host: nobody whom this machine trusts vouches for the certificate of {endpoint.target} ({detail}); name the "
        "authority that issued it with --ca-file FILE"
    )


def _other_name(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    return (
        f"--host: the certificate of {endpoint.target} is not for {endpoint.host} ({detail}); give a name that it is for "
        f"as --host, and --connect-to {endpoint.target} to find it there"
    )


def _expired(endpoint: Endpoint, _chosen: Settings, _detail: str) -> str:
    return (
        f"--host: the certificate of {endpoint.target} has expired; have it renewed, or test with --insecure until it is"
    )


def _not_yet(endpoint: Endpoint, _chosen: Settings, _detail: str) -> str:
    return f"--host: the certificate of {endpoint.target} is not valid yet; set the clock of this machine right"


def _client_certificate(endpoint: Endpoint, chosen: Settings, detail: str) -> str:
    if chosen.client_cert:
        return f"--client-cert: {endpoint.target} does not take the certificate in {chosen.client_cert} ({detail}); give " \
            "one that it knows the authority of"  # fmt: skip
    return f"--client-cert: {endpoint.target} wants a certificate of ours ({detail}); give --client-cert and --client-key"


def _no_tls(endpoint: Endpoint, _chosen: Settings, _detail: str) -> str:
    return f"--host: {endpoint.target} does not speak TLS; give ws:// in place of wss://, or another port"


def _tls(endpoint: Endpoint, chosen: Settings, detail: str) -> str:
    wants = "" if chosen.client_cert else "; it may want --client-cert"
    return f"--host: TLS with {endpoint.target} failed: {detail}{wants}"


def _no_websocket(endpoint: Endpoint, _chosen: Settings, _detail: str) -> str:
    tls = "" if endpoint.secure else ", or give wss:// if it speaks TLS"
    return f"--host: {endpoint.url} answered, but not as a WebSocket server; correct the path or the port{tls}"


def _not_offered(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    return f"--subprotocol / --no-compression: {endpoint.url}: {detail}, and a browser would refuse that, too; " \
        "offer what the server speaks"  # fmt: skip


def _closed(endpoint: Endpoint, _chosen: Settings, detail: str) -> str:
    tls = "" if endpoint.secure else "; give wss:// if it speaks TLS"
    return f"--host: no connection to {endpoint.url}: closed ({detail}){tls}"


_EXPLANATIONS: Final[Mapping[str, Explanation]] = {
    "refused": _refused,
    "dns": _unnamed,
    "unreachable": _unreachable,
    "timeout": _timeout,
    AUTH_FAILED: _auth_failed,
    AUTH_REQUIRED: _auth_required,
    TlsFault.AUTHORITY: _unknown_authority,
    TlsFault.NAME: _other_name,
    TlsFault.EXPIRED: _expired,
    TlsFault.NOT_YET: _not_yet,
    TlsFault.CLIENT_CERTIFICATE: _client_certificate,
    TlsFault.NO_TLS: _no_tls,
    TlsFault.OTHER: _tls,
    "no websocket": _no_websocket,
    "not offered": _not_offered,
    "closed": _closed,
}


def _of_the_upgrade(endpoint: Endpoint, status: str) -> str:
    tls = ", or give wss:// if it speaks TLS" if status == "400" and not endpoint.secure else ""
    return (
        f"--host: {endpoint.url} answered HTTP {status} instead of 101; correct the path (often /ws) or the port{tls}"
    )


def _of_the_proxy(endpoint: Endpoint, outcome: str, detail: str) -> str:
    proxy, target = endpoint.proxy, endpoint.target
    if proxy is None:
        return f"--host: {outcome} ({detail})"
    without = f"or list {target.host} in NO_PROXY"
    return {
        "proxy refused": f"{proxy.variable}: nobody listens at the proxy {proxy}; correct it, {without}",
        "proxy dns": f"{proxy.variable}: the proxy has no address: {detail}; correct its name, {without}",
        "proxy unreachable": f"{proxy.variable}: no way to the proxy: {detail}; correct it, {without}",
        "proxy 407": f"{proxy.variable}: the proxy {proxy} wants to know who asks (HTTP 407); give "
        f"http://USER:PASSWORD@{proxy}, {without}",
        "proxy": f"{proxy.variable}: {proxy} is no proxy for {target}: {detail}; correct it, {without}",
    }.get(
        outcome,
        f"{proxy.variable}: the proxy {proxy} would not connect to {target} ({detail}); have it allowed, {without}",
    )
