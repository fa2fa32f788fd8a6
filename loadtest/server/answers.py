"""What the AI of the reference server says, and when: seeded draws with known means. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import accumulate
from random import Random
from typing import Final

from msgspec import Struct

_PHRASE: Final = "when you ask the model for more of the same it will say so in one or two words and then wait a while"
_ASKED: Final = re.compile(r"Answer in ([1-9]\d{0,4}) words\.")
WORDS: Final = tuple(_PHRASE.split())
"""What answers are made of: plain ASCII, so that a character is a byte."""


class Distribution(StrEnum):
    """How a quantity spreads around its mean."""

    CONSTANT = "constant"
    EXPONENTIAL = "exponential"
    LOGNORMAL = "lognormal"

    def draw(self, random: Random, mean: float, sigma: float) -> float:
        """One value, at least 0, from a distribution with this mean.

        Args:
            random: source of the draw; a constant takes nothing from it.
            mean: mean of the distribution, at least 0.
            sigma: standard deviation of the logarithm; for the lognormal alone. The logarithm's mean is then
                ln(mean) - sigma²/2, so that the mean is the one asked for
                (https://en.wikipedia.org/wiki/Log-normal_distribution, arithmetic moments).
        """
        if self is Distribution.CONSTANT or mean == 0:
            return mean
        if self is Distribution.EXPONENTIAL:
            return random.expovariate(1 / mean)
        return random.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)


class AnswerStyle(Struct, frozen=True):
    """How answers are, on average and around it.

    Attributes:
        ttft_s: mean time from the delivered ack to the first chunk, seconds.
        gap_s: mean time between two chunks, seconds.
        chunks: mean number of chunks with new content, at least 1; the completion frame is not among them.
        distribution: of all three.
        sigma: spread of the lognormal, see `Distribution.draw`.
        seed: the n-th answer of two writers with equal styles is the same.
    """

    ttft_s: float = 0.4
    gap_s: float = 0.025
    chunks: int = 30
    distribution: Distribution = Distribution.CONSTANT
    sigma: float = 0.5
    seed: int = 1


class Chunk(Struct, frozen=True):
    """One frame of an answer.

    Attributes:
        content: all of the answer so far.
        wait_s: seconds from when the frame before it was due; None for right behind that one.
        is_complete: whether it is the completion frame.
        stream_id: id to go under, of what is no part of this answer.
        error: what went wrong, for a `message:error` in place of a chunk.
    """

    content: str
    wait_s: float | None = None
    is_complete: bool = False
    stream_id: str | None = None
    error: str | None = None


class Answer(Struct, frozen=True):
    """One answer, planned to its end.

    Attributes:
        text: all of it.
        ends: where in the text each chunk ends, ascending; the last is the text's length.
        waits_s: seconds before each chunk; the first is the time to first token.
    """

    text: str
    ends: tuple[int, ...]
    waits_s: tuple[float, ...]

    def frames(self) -> Iterator[Chunk]:
        """Its chunks, cumulative, and the completion frame right behind the last. Made one by one: n hold O(n²)."""
        for end, wait_s in zip(self.ends, self.waits_s, strict=True):
            yield Chunk(self.text[:end], wait_s)
        yield Chunk(self.text, is_complete=True)


class AnswerWriter:
    """Plans answers, one after the other, from one seeded source."""

    def __init__(self, style: AnswerStyle) -> None:
        self._style = style
        self._random = Random(style.seed)

    def answer(self, to: str = "") -> Answer:
        """The next answer.

        Args:
            to: the message; one that begins with `Answer in N words.` gets N chunks, each of which is a word.
        """
        asked = _ASKED.match(to)
        count = int(asked[1]) if asked else max(1, round(self._draw(self._style.chunks)))
        first, *others = self._random.choices(WORDS, k=count)
        chunks = [first, *(f" {word}" for word in others)]
        gaps = (self._draw(self._style.gap_s) for _ in others)
        return Answer(
            text="".join(chunks),
            ends=tuple(accumulate(map(len, chunks))),
            waits_s=(self._draw(self._style.ttft_s), *gaps),
        )

    def _draw(self, mean: float) -> float:
        return self._style.distribution.draw(self._random, mean, self._style.sigma)
