"""Text of an option to its value; each raises `ValueError` with what was wrong and what to do."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlsplit

from loadtest.settings.values import Address, Header, Rate

Choice = TypeVar("Choice", bound=StrEnum)

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_RATE = re.compile(r"(\d+)/(.+)")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token: the name of a header or subprotocol (RFC 9110, section 5.6.2)."""
_OF_THE_HANDSHAKE: Final = {
    "connection": "the upgrade sets it; leave it out",
    "host": "it is that of --host; reach it elsewhere with --connect-to",
    "origin": "give it as --origin",
    "sec-websocket-protocol": "give it as --subprotocol",
    "upgrade": "the upgrade sets it; leave it out",
}


def duration(text: str) -> float:
    """`90`, `90s`, `1.5m`, `200ms` or `2h` as seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: give seconds or a unit, as in 90, 90s, 1.5m")
    return float(match[1]) * _UNITS[match[2] or "s"]


def positive_duration(text: str) -> float:
    """A duration above 0."""
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} is not above 0")
    return seconds


def rate(text: str) -> Rate:
    """`10/60s` as a rate."""
    match = _RATE.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise ValueError(f"{text!r} is no rate: give messages/window, as in 10/60s")
    return Rate(int(match[1]), positive_duration(match[2]))


def optional_rate(text: str) -> Rate | None:
    """A rate, or `none`."""
    return None if text.strip().lower() == "none" else rate(text)


def label(text: str) -> tuple[str, str]:
    """`build=abc123` as its two halves."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"{text!r} is no label: give key=value, as in build=abc123")
    if not text.isprintable():
        raise ValueError(f"{text!r} is no label: it holds characters that cannot be printed; leave them out")
    return key.strip(), value.strip()


def positive_int(text: str) -> int:
    """A whole number above 0."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole(text: str) -> int:
    """A whole number, 0 or above."""
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} is not a whole number of 0 or above")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is not a number above 0")
    return value


def command(text: str) -> str:
    """Words as a shell would split them; at least one."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no command ({error}); quote it as for a shell") from None
    if not words:
        raise ValueError("is empty; give a program and its words, as in './restart-backend staging'")
    return text


def share(text: str) -> float:
    """`5%` as 0.05: a share from 0 % to below 100 %."""
    stripped = text.strip()
    try:
        value = float(stripped.removesuffix("%")) / (100.0 if stripped.endswith("%") else 1.0)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{text!r} is no share: give a percentage from 0% to below 100%, as in 5%")
    return value


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """A parser for the values of an enum."""

    def parse(text: str) -> Choice:
        try:
            return choices(text.strip().lower())
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}") from None

    return parse


def weights(text: str) -> dict[str, float]:
    """`WithinLimitUser=8,AboveLimitUser=0` as user classes and their weights."""
    result = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        try:
            result[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not result[name.strip()] >= 0:
            raise ValueError(f"{part!r} is no weight: give Class=number, as in WithinLimitUser=8,AboveLimitUser=0")
    return result


def ws_url(text: str) -> str:
    """The address of a chat backend, checked: ws:// or wss://, a host, and no query (the token goes there)."""
    url = urlsplit(text.strip())
    if not text.strip().isprintable() or " " in text.strip():
        raise ValueError(f"{redacted(text)!r} holds blanks: give ws://HOST:PORT/ws")
    try:
        port = url.port
    except ValueError:
        raise ValueError(f"{redacted(text)!r} has no valid port: give ws://HOST:PORT/ws") from None
    if url.scheme not in ("ws", "wss") or not _is_host(url.hostname) or port == 0:
        raise ValueError(f"{redacted(text)!r} is no WebSocket address: give ws://HOST:PORT/ws or wss://HOST/ws")
    if url.query or url.fragment or url.username:
        raise ValueError(f"{redacted(text)!r}: leave out user, query and fragment; the token is added for each user")
    return text.strip()


def listening(text: str) -> Address:
    """`9102` or `0.0.0.0:9102` as a place to listen at; without a host, on this machine alone."""
    host, _, port = text.strip().rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no port: give PORT or HOST:PORT, as in 9102 or 0.0.0.0:9102")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def flag(text: str) -> bool:
    """`true` or `false`, and what else environments use for them."""
    if text.strip().lower() not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.strip().lower() in ("true", "yes", "on", "1")


def header(text: str) -> Header:
    """`Name: value`; a complaint repeats no value, since it may be secret."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _NAME.fullmatch(name):
        raise ValueError("one of them is no header: give 'Name: value', as in 'X-Tenant: acme'")
    if not value.isprintable() or not value.isascii():
        raise ValueError(f"the value of {name} holds characters that no header can carry; leave them out")
    if reason := of_the_handshake(name):
        raise ValueError(f"{name} cannot be given: {reason}")
    return Header(name, value)


def of_the_handshake(name: str) -> str | None:
    """Why a header cannot be given, and what to do instead; None where it can."""
    own = "the upgrade sets it; leave it out" if name.lower().startswith("sec-websocket-") else None
    return _OF_THE_HANDSHAKE.get(name.lower(), own)


def origin(text: str) -> str:
    """An origin: scheme and host, without a path."""
    url = urlsplit(text.strip())
    if text.strip() != "null" and (not url.scheme or not url.netloc or url.path or url.query or "@" in url.netloc):
        raise ValueError(f"{redacted(text)!r} is no origin: give scheme and host, as in https://app.example.com")
    if not text.isprintable() or not text.isascii():
        raise ValueError(f"{redacted(text)!r} is no origin: it holds characters that no header can carry")
    return text.strip()


def subprotocol(text: str) -> str:
    """The name of a WebSocket subprotocol."""
    if not _NAME.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is no subprotocol: give a name without blanks, as in chat.v1")
    return text.strip()


def host_port(text: str) -> Address:
    """`10.0.0.7:8443`, `node-3:443` or `[::1]:5000`."""
    try:
        url = urlsplit(f"//{text.strip()}")
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    plain = text.isprintable() and not set(text.strip()) & set("/?#@ ")
    if host is None or not _is_host(host) or not port or not plain or (":" in host and "[" not in text):
        raise ValueError(f"{redacted(text)!r} is no address: give HOST:PORT, as in 10.0.0.7:8443 or [::1]:5000")
    return Address(host, port)


def ip_address(text: str) -> str:
    """An IP address, as the system writes it."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"{text!r} is no IP address: give one of this machine, as in 10.0.0.7") from None


def http_url(text: str) -> str:
    """The address of an HTTP endpoint: http:// or https://, and a host. A complaint shows neither user nor query."""
    url = urlsplit(text.strip())
    try:
        fits = url.scheme in ("http", "https") and _is_host(url.hostname) and url.port != 0
    except ValueError:
        fits = False
    if not fits or not text.strip().isprintable() or " " in text.strip():
        raise ValueError(f"{redacted(text)!r} is no HTTP address: give https://HOST/PATH")
    if url.username is not None or url.fragment:
        raise ValueError(f"{redacted(text)!r}: leave out user and fragment; what to log in with goes into --login-body")
    if not (url.path + url.query).isascii():
        raise ValueError(
            f"{redacted(text)!r}: write what is not ASCII in the path and query as %XX, as in %C3%A9 for é"
        )
    if url.path.startswith("//"):
        raise ValueError(f"{redacted(text)!r}: the path begins with two slashes; leave one of them out")
    return text.strip()


def json_path(text: str) -> str:
    """`data.accessToken`: names of a JSON value with dots between them."""
    if not all(step.strip() for step in text.split(".")) or not text.isprintable():
        raise ValueError(f"{text!r} is no path: give names with dots between them, as in data.accessToken")
    return text.strip()


def _is_host(name: str | None) -> bool:
    """Whether a name can be looked up at all: none of its parts is empty or longer than 63 characters."""
    try:
        return bool(name and name.encode("idna"))
    except UnicodeError:
        return False


def redacted(url: str) -> str:
    """An address without what may be secret: its query, fragment and user part."""
    return re.sub(r"(?<=://)[^/@]*@", "", re.split(r"[?#]", url, maxsplit=1)[0])
