"""What a client asks for tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeGuard

import jwt

from loadtest.model import Login

OnLogin = Callable[[Login], None]
"""Told of each exchange with a login endpoint; called from the greenlet that made it."""


class NoToken(Exception):
    """No token could be had; the text says why, without any secret.

    Attributes:
        for_good: whether asking again is of no use.
    """

    def __init__(self, reason: str, for_good: bool = False) -> None:
        self.for_good = for_good
        super().__init__(reason)


class Tokens:
    """A source of tokens for numbered users (from 0).

    Attributes:
        option: the option that it comes from, for error messages.
    """

    option = "--jwt-secret"

    @property
    def capacity(self) -> int | None:
        """How many users it has tokens for; None for any number."""
        return None

    def user_id(self, number: int) -> str:
        """What the records call this user; the id that its token claims where that is known."""
        return f"user-{number}"

    def fields(self, number: int) -> dict[str, str]:
        """What templates may say of this user, beside `n`."""
        return {"userId": self.user_id(number)}

    def token(self, number: int) -> str:
        """A token for one connection, fresh where the source can make one; may block.

        Raises:
            NoToken: there is none.
        """
        raise NotImplementedError

    def refused(self, number: int) -> bool:  # noqa: ARG002 - for sources that look into it
        """The backend has refused this user's token: whether asking again may give one that it likes better."""
        return True

    def flaw(self, number: int) -> str | None:  # noqa: ARG002 - for sources that spoil tokens
        """What is wrong on purpose with the token that this user was given last; None with a good one."""
        return None

    def release(self, number: int) -> None:
        """The user has left."""

    def begin(self, on_login: OnLogin) -> None:
        """A run begins in this process."""

    def end(self) -> None:
        """It is over."""


def is_sendable(token: object) -> TypeGuard[str]:
    """Whether it is a text that a header or an address can carry."""
    return isinstance(token, str) and bool(token) and token.isascii() and token.isprintable()


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, unchecked; None where it is none."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.InvalidTokenError:
        return None
    return claims


def life_left_s(claims: dict[str, Any] | None) -> float | None:
    """Seconds until a token with these claims expires, below 0 if it has; None where they do not say."""
    expiry = (claims or {}).get("exp")
    return expiry - time.time() if isinstance(expiry, (int, float)) else None


def life_s(claims: dict[str, Any] | None) -> float | None:
    """Seconds that a token which has just been issued lives; None where its claims do not say.

    From `iat` where it is there: both by the issuer's clock, which may not agree with ours.
    """
    issued = (claims or {}).get("iat")
    left = life_left_s(claims)
    if left is not None and isinstance(issued, (int, float)):
        left += time.time() - issued
    return left if left is not None and left > 0 else None


def claimed_user(claims: dict[str, Any] | None) -> str | None:
    """The user that claims are about, by the guide's name or by RFC 7519's."""
    user = (claims or {}).get("userId") or (claims or {}).get("sub")
    return str(user) if user else None
