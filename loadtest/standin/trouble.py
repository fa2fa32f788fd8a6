"""What a model's provider does wrong: errors in known shares, seeded. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final

from msgspec import Struct


class Trouble(StrEnum):
    """What one request is answered with, in place of an answer or in its middle."""

    RATE_LIMIT = "429"
    SERVER_ERROR = "500"
    OVERLOADED = "529"
    """Anthropic's status; the OpenAI API says 503 in its place."""
    CUT = "cut"
    """The connection is closed in the middle of the answer."""


_CUT_AT: Final = 0.5
"""Of an answer's chunks."""


class Share(Struct, frozen=True):
    """How often it happens, from 0 to 1 of all requests."""

    trouble: Trouble
    share: float


def share(text: str) -> Share:
    """Parse `429=2%` or `cut=0.01`.

    Raises:
        ValueError: with what to give instead.
    """
    kind, _, amount = text.partition("=")
    whole = 100.0 if amount.endswith("%") else 1.0
    try:
        found = Share(Trouble(kind.strip()), float(amount.removesuffix("%")) / whole)
    except ValueError:
        found = Share(Trouble.CUT, -1.0)
    if not 0.0 <= found.share <= 1.0:
        raise ValueError(f"{text!r} is no error: give {', '.join(Trouble)} and a share of the requests, as in 429=2%")
    return found


class Troubles:
    """Draws the trouble of each request; the n-th of two with equal shares and seed is the same.

    Raises:
        ValueError: the shares add up to more than all requests.
    """

    def __init__(self, shares: Sequence[Share], seed: int) -> None:
        if sum(one.share for one in shares) > 1.0:
            raise ValueError("the shares add up to more than 100 %; give less of each")
        self._shares = tuple(shares)
        self._random = Random(f"{seed}/troubles")

    def draw(self) -> Trouble | None:
        """What the next request meets."""
        drawn = self._random.random()
        for one in self._shares:
            if drawn < one.share:
                return one.trouble
            drawn -= one.share
        return None


def cut_after(chunks: int) -> int:
    """How many chunks of an answer go out before its connection is closed."""
    return max(1, int(chunks * _CUT_AT))
