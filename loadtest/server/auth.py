"""The JWT check of the guide: a token to a user id, or to one of its two errors."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import parse_qs, urlsplit

import jwt
from msgspec import Struct

from loadtest.protocol import AUTH_FAILED, AUTH_REQUIRED, TOKEN_LIFE_S

ALGORITHM: Final = "HS256"


class Refusal(Struct, frozen=True):
    """Why a connection is refused.

    Attributes:
        code: error code of the guide.
        reason: text for a person.
    """

    code: str
    reason: str


TOKEN_MISSING: Final = Refusal(AUTH_REQUIRED, "Authentication required")
TOKEN_BAD: Final = Refusal(AUTH_FAILED, "Invalid or expired token")


def authenticate(path: str, secret: str) -> str | Refusal:
    """Who connects.

    Args:
        path: path and query of the upgrade request; the token is its parameter `token`.
        secret: key of the HS256 signature.

    Returns:
        The claim `userId`, or why the connection is refused. A bad token is not told what is bad about it.
    """
    token = parse_qs(urlsplit(path).query).get("token", [""])[0]
    if not token:
        return TOKEN_MISSING
    try:
        user = jwt.decode(token, secret, algorithms=[ALGORITHM]).get("userId")
    except jwt.InvalidTokenError:
        return TOKEN_BAD
    return user if isinstance(user, str) and user else TOKEN_BAD


def issue(user: str, secret: str, life_s: int = TOKEN_LIFE_S) -> str:
    """A token that `authenticate` accepts for `life_s` seconds from now, with the guide's claims."""
    now = int(time.time())
    claims = {"userId": user, "email": f"{user}@example.com", "iat": now, "exp": now + life_s}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)
