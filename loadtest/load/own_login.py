"""Users whose locustfile logs them in: their `log_in` takes the place of the exchange with a login endpoint."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import gevent

from loadtest.client.tokens import Grant, LoginFailed, is_sendable
from loadtest.client.tokens.http_login import failed_status

OPTION = "log_in"
"""What stands for the option in messages about such logins."""

_OURS = Path(__file__).parent

LogIn = Callable[[], str]


class OwnLogins:
    """An exchange, as `client.tokens.LoginTokens` takes it.

    Args:
        timeout_s: longest time for one login, seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._users: dict[int, LogIn] = {}

    def add(self, number: int, log_in: LogIn) -> None:
        """User `number` logs in by this."""
        self._users[number] = log_in

    def __call__(self, number: int, _refresh_token: str | None) -> Grant:
        try:
            with gevent.Timeout(self._timeout_s, TimeoutError()):
                token = self._users[number]()
        except Exception as error:  # noqa: BLE001 - whatever a scenario raises is a failed login, and counted as such
            raise failed(error, OPTION) from None
        if not isinstance(token, str) or not token:
            raise LoginFailed("log_in returned no token", for_good=True)
        if not is_sendable(token):
            raise LoginFailed("log_in returned a token with a character that no header carries", for_good=True)
        return Grant(token)


def failed(error: Exception, hook: str) -> LoginFailed:
    """A failure by kind and line alone: its text may hold what the server answered.

    Args:
        hook: of the locustfile, that raised it.
    """
    response = getattr(error, "response", None)  # as exceptions of `requests` and of Locust's clients have it
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= 300:
        return failed_status(status, getattr(response, "headers", {}).get("Retry-After"))
    if isinstance(error, TimeoutError):
        return LoginFailed("timeout")
    theirs = (frame for frame in traceback.extract_tb(error.__traceback__) if _OURS not in Path(frame.filename).parents)
    line = next((frame.lineno for frame in theirs), "?")
    return LoginFailed(f"{type(error).__name__} in line {line} of {hook}")
