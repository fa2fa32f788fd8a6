"""The JWT check: who gets in as whom, and which of two errors the others get."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from loadtest.server.auth import TOKEN_BAD, TOKEN_MISSING, Refusal, authenticate, issue

SECRET = "a secret of the tests, long enough for HS256"


def _token(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"exp": time.time() + 60} | claims, secret, algorithm=algorithm)


def test_a_token_of_ours_is_accepted_as_its_user() -> None:
    assert authenticate(f"/ws?token={issue('ann', SECRET)}", SECRET) == "ann"


def test_a_token_without_an_expiry_is_accepted() -> None:
    token = jwt.encode({"userId": "ann"}, SECRET, algorithm="HS256")
    assert authenticate(f"/ws?v=1&token={token}", SECRET) == "ann"


@pytest.mark.parametrize("path", ["/ws", "/ws?", "/ws?token=", "/ws?Token=abc"])
def test_no_token_is_an_error_of_its_own(path: str) -> None:
    assert authenticate(path, SECRET) == TOKEN_MISSING == Refusal("AUTH_REQUIRED", "Authentication required")


@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "a.b.c",
        _token({"userId": "ann"}, secret="some other secret that is long enough"),
        _token({"userId": "ann", "exp": time.time() - 1}),
        _token({"userId": "ann"}, algorithm="HS512", secret=SECRET * 2),
        jwt.encode({"userId": "ann"}, None, algorithm="none"),
        _token({"email": "ann@example.com"}),
        _token({"userId": ""}),
        _token({"userId": 7}),
    ],
    ids=["no JWT", "garbage", "other key", "expired", "other algorithm", "unsigned", "no user", "empty user", "number"],
)
def test_a_bad_token_is_refused_without_telling_what_is_bad(token: str) -> None:
    assert authenticate(f"/ws?token={token}", SECRET) == TOKEN_BAD == Refusal("AUTH_FAILED", "Invalid or expired token")


def test_a_token_of_ours_lives_as_long_as_asked() -> None:
    claims = jwt.decode(issue("ann", SECRET, life_s=60), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 60
    assert (claims["userId"], claims["email"]) == ("ann", "ann@example.com")
