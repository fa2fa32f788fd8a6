"""Tokens that a backend must refuse."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from loadtest.client.tokens.minted import GUIDE_CLAIMS, MintedTokens, SigningKey
from loadtest.client.tokens.source import Tokens
from loadtest.protocol import TOKEN_LIFE_S

EXPIRED_AGO_S: Final = 3600.0
"""Far enough back that no leeway for clocks that differ forgives it."""


class Flaw(StrEnum):
    """What is bad about a token."""

    MISSING = "missing"
    MALFORMED = "malformed"
    EXPIRED = "expired"
    FORGED = "forged"
    """Sound, but signed with a key that is not the backend's."""


class BadTokens(Tokens):
    """Each flaw in turn.

    Args:
        good: makes good tokens where we hold the backend's key, and then expired ones too; else None.
    """

    def __init__(self, good: MintedTokens | None = None) -> None:
        self._good = good
        self._forger = MintedTokens(SigningKey(secrets.token_urlsafe(32)), TOKEN_LIFE_S, GUIDE_CLAIMS)
        flaws = [flaw for flaw in Flaw if good is not None or flaw is not Flaw.EXPIRED]
        self._flaws: Iterator[Flaw] = itertools.cycle(flaws)
        self._given: dict[int, Flaw] = {}

    def user_id(self, number: int) -> str:
        return f"intruder-{number}"

    def token(self, number: int) -> str:
        flaw = self._given[number] = next(self._flaws)
        match flaw:
            case Flaw.MISSING:
                return ""
            case Flaw.MALFORMED:
                return self._forger.token(number).rpartition(".")[0]  # without its signature
            case Flaw.FORGED:
                return self._forger.token(number)
            case Flaw.EXPIRED:
                assert self._good is not None
                return self._good.expired(number, EXPIRED_AGO_S)

    def refused(self, number: int) -> bool:  # noqa: ARG002 - whoever it is
        return False

    def flaw(self, number: int) -> str | None:
        return self._given.get(number)
