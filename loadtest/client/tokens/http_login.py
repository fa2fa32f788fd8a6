"""A login over HTTP: a JSON body to an address, and a token somewhere in the JSON that comes back."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import gevent
import gevent.ssl
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError
from msgspec import Struct

from loadtest import __version__
from loadtest.client.tls import fault
from loadtest.client.tokens.login import Grant, LoginFailed
from loadtest.client.tokens.source import is_sendable
from loadtest.client.tokens.users_file import UsersFile
from loadtest.settings import Template

MAX_ANSWER: Final = 1 << 20
"""Bytes of an answer that are read: a hostile endpoint must not fill the memory."""
REFRESH_TOKEN: Final = "refreshToken"
"""What the body of a renewal calls the refresh token."""
_TRY_AGAIN: Final = frozenset({408, 425, 429})
"""Of the 4xx, those that are about the moment and not about the request (RFC 9110; RFC 6585)."""
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": f"chat-loadtest/{__version__}",
}


class LoginEndpoint(Struct, frozen=True):
    """Where to send what."""

    url: str
    body: Template


class AnswerPaths(Struct, frozen=True):
    """Where in an answer things are: names, and numbers of list items, with dots between them.

    Attributes:
        token: the access token.
        refresh_token: the refresh token; None where there is none to use.
        life: seconds until the token expires; None to go by the token itself.
    """

    token: str
    refresh_token: str | None = None
    life: str | None = None


class HttpLogin:
    """The exchange with an endpoint, as `LoginTokens` takes it.

    Each takes a connection of its own, as each user's browser does.

    Args:
        users: the accounts.
        login: where they log in.
        refresh: where a token is renewed; None where that takes a login.
        paths: where in the answers of both the token is.
        timeout_s: longest time for one exchange, seconds.
        tls: gevent's context for https://; None for the system's trust.
    """

    def __init__(
        self,
        users: UsersFile,
        login: LoginEndpoint,
        refresh: LoginEndpoint | None,
        paths: AnswerPaths,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._users = users
        self._login = login
        self._refresh = refresh
        self._paths = paths
        self._timeout_s = timeout_s
        self._tls = tls or gevent.ssl.create_default_context()

    def __call__(self, number: int, refresh_token: str | None) -> Grant:
        fields = {"n": str(number)} | self._users.row(number)
        if refresh_token is None or self._refresh is None:
            return self._grant(self._login, fields)
        return self._grant(self._refresh, fields | {REFRESH_TOKEN: refresh_token})

    def _grant(self, endpoint: LoginEndpoint, fields: Mapping[str, str]) -> Grant:
        answer = self._post(endpoint.url, json.dumps(endpoint.body.fill(fields)).encode())
        token = at_path(answer, self._paths.token)
        if not is_sendable(token):
            raise LoginFailed(f"no token at {self._paths.token}")
        return Grant(token, self._refresh_token(answer), self._life_s(answer))

    def _refresh_token(self, answer: Any) -> str | None:
        token = at_path(answer, self._paths.refresh_token) if self._paths.refresh_token else None
        return token if isinstance(token, str) and token else None

    def _life_s(self, answer: Any) -> float | None:
        if self._paths.life is None:
            return None
        life = at_path(answer, self._paths.life)
        try:
            seconds = float(life)
        except (TypeError, ValueError):
            seconds = 0.0
        if isinstance(life, bool) or not 0.0 < seconds < float("inf"):
            raise LoginFailed(f"no life in seconds at {self._paths.life}")
        return seconds

    def _post(self, url: str, body: bytes) -> Any:
        try:
            with gevent.Timeout(self._timeout_s, TimeoutError()):
                status, retry_after, answer = self._exchange(url, body)
        except (OSError, HTTPParseError, RuntimeError) as error:
            raise LoginFailed(_explained(error)) from None
        except ValueError:  # its text holds the address, whose query may be secret
            raise LoginFailed("no address to send to") from None
        if not 200 <= status < 300:
            raise failed_status(status, retry_after)
        if len(answer) > MAX_ANSWER:
            raise LoginFailed("answer too large")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise LoginFailed("html, not json" if answer.lstrip()[:1] == b"<" else "not json") from None

    def _exchange(self, url: str, body: bytes) -> tuple[int, str | None, bytes]:
        parts = urlsplit(url)
        client = HTTPClient(
            parts.hostname or "",
            parts.port,
            ssl=parts.scheme == "https",
            ssl_context_factory=(lambda **_: self._tls) if parts.scheme == "https" else None,
            insecure=not self._tls.check_hostname,
            connection_timeout=self._timeout_s,
            network_timeout=self._timeout_s,
        )
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            with client.post(target, body, headers=_HEADERS) as response:
                retry_after = response.get("Retry-After")
                answer = response.read(MAX_ANSWER + 1)
                return response.status_code, retry_after if isinstance(retry_after, str) else None, answer
        finally:
            client.close()


def failed_status(status: int, retry_after: str | None) -> LoginFailed:
    """What an HTTP status that is no success means for a login; 3xx too, since a redirected POST is another request."""
    for_good = 300 <= status < 500 and status not in _TRY_AGAIN
    return LoginFailed(f"http {status}", for_good, _seconds(retry_after))


def at_path(value: Any, path: str) -> Any:
    """What lies at a dotted path of a decoded JSON value, as in `data.tokens.0`; None where nothing does."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _explained(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return ": ".join(fault(error))
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, OSError) and error.errno and error.errno != errno.ECONNRESET:
        return errno.errorcode.get(error.errno, "unreachable").lower()
    return "no http answer"


def _seconds(retry_after: str | None) -> float:
    """What a Retry-After asks for (RFC 9110, section 10.2.3): seconds, or a date."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after[:9])
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0
