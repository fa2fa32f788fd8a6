"""Tokens that somebody else has made, a line each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from loadtest.client.tokens.source import Tokens, claimed_user, claims_of, is_sendable, life_left_s

MARGIN_S: Final = 5.0
"""A token with less life than this may expire on its way."""


class _Line(Struct, frozen=True):
    token: str
    user: str | None
    expires: float
    """Unix seconds; infinite where the token does not say."""


class FileTokens(Tokens):
    """Tokens from a file, one a line and one for each user; of those that are no JWT, only the backend knows the users.

    When a token has expired or was refused, the file is read again if it has changed: whoever makes the tokens can put
    fresh ones there while the run goes on. A file that is no good then changes nothing.

    Raises:
        ValueError: the file cannot be read, is empty, or holds a line that is no token, has expired or is there twice.
    """

    option = "--tokens-file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._lines = _read(path)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def capacity(self) -> int:
        return len(self._lines)

    @property
    def shortest_life_s(self) -> float:
        """Seconds until the first of the tokens expires; infinite where none does."""
        return min(line.expires for line in self._lines) - time.time()

    def user_id(self, number: int) -> str:
        return self._lines[number].user or super().user_id(number)

    def token(self, number: int) -> str:
        if self._lines[number].expires - time.time() < MARGIN_S:
            self._read_again()
        return self._lines[number].token

    def refused(self, number: int) -> bool:
        before = self._lines[number].token
        self._read_again()
        return self._lines[number].token != before

    def _read_again(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            lines = _read(self._path)
        except ValueError:
            return
        if len(lines) >= len(self._lines):
            self._lines = lines


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _read(path: Path) -> list[_Line]:
    where = repr(str(path))
    try:
        texts = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ValueError(f"{where} cannot be read ({reason}); give a file with one token a line") from None
    lines: list[_Line] = []
    seen: dict[str, int] = {}
    for number, text in enumerate(texts, 1):
        if token := text.strip():
            if (first := seen.setdefault(token, number)) != number:
                raise ValueError(f"line {number} of {where} repeats line {first}; give each user its own token")
            lines.append(_line(token, number, where))
    if not lines:
        raise ValueError(f"{where} holds no token; give a file with one token a line")
    return lines


def _line(token: str, number: int, where: str) -> _Line:
    if " " in token or not is_sendable(token):
        raise ValueError(f"line {number} of {where} is no token; put one on each line, and nothing else")
    claims = claims_of(token)
    left = life_left_s(claims)
    if left is not None and left <= 0:
        raise ValueError(f"the token on line {number} of {where} expired {-left:.0f} s ago; make fresh tokens")
    return _Line(token, claimed_user(claims), float("inf") if left is None else time.time() + left)
