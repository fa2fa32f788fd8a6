"""The HTTP proxy that the environment names, and how it is asked for a tunnel (RFC 9110, section 9.3.6: CONNECT)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from msgspec import Struct

from loadtest.settings import Address

DEFAULT_PORT: Final = 80
LONGEST_ANSWER: Final = 65_536
"""Bytes of an answer's head; what is longer is no proxy's."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


class Proxy(Struct, frozen=True):
    """An HTTP proxy.

    Attributes:
        variable: of the environment, that named it.
        authorization: value of `Proxy-Authorization`; secret.
    """

    variable: str
    address: Address
    authorization: str | None = None

    def __str__(self) -> str:
        return str(self.address)

    __repr__ = __str__


def proxy_for(target: Address, secure: bool, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy on the way to a backend; None where there is none.

    `HTTPS_PROXY` serves wss:// and ws://, `HTTP_PROXY` ws:// alone where there is no other (RFC 6455, section 4.1: a
    tunnel is what proxies have for HTTPS). `NO_PROXY` lists domains and hosts to be reached without, `*` for all. This
    machine itself is never reached by a proxy, as with browsers.

    Args:
        environ: proxies by lower-case scheme, and `no`; None for those of the environment.

    Raises:
        ValueError: `VARIABLE: what was wrong`.
    """
    proxies = dict(getproxies_environment() if environ is None else environ)
    if _is_this_machine(target.host) or proxy_bypass_environment(str(target), proxies):
        return None
    for scheme in ("https",) if secure else ("https", "http"):
        if proxies.get(scheme):
            return _parsed(f"{scheme.upper()}_PROXY", proxies[scheme])
    return None


def connect_request(proxy: Proxy, target: Address) -> bytes:
    """The bytes that ask for a tunnel."""
    where = Address(target.host.encode("idna").decode(), target.port)
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def status(head: bytes) -> int | None:
    """The status of an answer; None where it is no HTTP."""
    match = _STATUS.match(head)
    return int(match[1]) if match else None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _parsed(variable: str, text: str) -> Proxy:
    whole = text if "://" in text else f"http://{text}"
    scheme = whole.partition("://")[0].lower()
    try:
        url = urlsplit(whole)
        host, port = url.hostname, url.port or DEFAULT_PORT
    except ValueError:
        host = None
    if scheme != "http" or not host or not text.isascii():
        shown = f"{scheme}://..." if scheme != "http" else "its value"
        raise ValueError(f"{variable}: {shown} is no HTTP proxy; give http://HOST:PORT, or unset it")
    authorization = None
    if url.username is not None:
        words = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = f"Basic {base64.b64encode(words.encode()).decode()}"
    return Proxy(variable, Address(host, port), authorization)
