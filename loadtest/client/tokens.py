"""Where a virtual user's JWT comes from: minted from a shared secret, or read from a file.

Tokens and secrets never appear in an error message: a token is named by its line.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, Final, Protocol

import jwt

TOKEN_LIFE_S: Final = 900.0
"""Life of an access token (backend.md, Connection: 15 minutes)."""


class Tokens(Protocol):
    """A source of tokens for numbered users (from 0)."""

    def user_id(self, number: int) -> str:
        """The user id that the token of this user claims."""

    def token(self, number: int) -> str:
        """A token for one connection, fresh where the source can make one."""

    @property
    def renewable(self) -> bool:
        """Whether asking again may give a token that the server likes better."""


class MintedTokens:
    """HS256 tokens with the claims `userId` and `email`, a new one for each connection.

    Args:
        secret: the backend's shared secret.
        life_s: seconds from minting to expiry.
    """

    renewable = True

    def __init__(self, secret: str, life_s: float = TOKEN_LIFE_S) -> None:
        self._secret = secret
        self._life_s = life_s
        # The secret is the backend's: whether it is long enough is not ours to judge in the middle of a run's output.
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)

    def user_id(self, number: int) -> str:
        return f"load-{number}"

    def token(self, number: int) -> str:
        now = int(time.time())
        claims = {
            "userId": self.user_id(number),
            "email": f"load-{number}@example.com",
            "iat": now,
            "exp": now + int(self._life_s),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")


class FileTokens:
    """Tokens from a file, one a line and one for each user.

    Raises:
        ValueError: the file cannot be read, is empty, or holds a line that is no JWT, has expired or is there twice.
    """

    renewable = False

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise ValueError(f"{str(path)!r} cannot be read ({reason}); give a file with one token a line") from None
        self._tokens: list[str] = []
        self._users: list[str] = []
        seen: dict[str, int] = {}
        for line, text in enumerate(lines, 1):
            if token := text.strip():
                if (first := seen.setdefault(token, line)) != line:
                    raise ValueError(f"line {line} of {str(path)!r} repeats line {first}; give each user its own token")
                self._users.append(_claimed_user(_claims(token, line, path), len(self._tokens)))
                self._tokens.append(token)
        if not self._tokens:
            raise ValueError(f"{str(path)!r} holds no token; give a file with one token a line")

    def __len__(self) -> int:
        return len(self._tokens)

    def user_id(self, number: int) -> str:
        return self._users[number]

    def token(self, number: int) -> str:
        return self._tokens[number]


def _claims(token: str, line: int, path: Path) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False, "verify_exp": False})
    except jwt.InvalidTokenError:
        raise ValueError(f"line {line} of {str(path)!r} is no JWT; put one token on each line") from None
    expiry = claims.get("exp")
    if isinstance(expiry, (int, float)) and expiry <= time.time():
        ago = time.time() - expiry
        raise ValueError(f"the token on line {line} of {str(path)!r} expired {ago:.0f} s ago; make fresh tokens")
    return claims


def _claimed_user(claims: dict[str, Any], number: int) -> str:
    return str(claims.get("userId") or claims.get("sub") or f"user-{number}")
