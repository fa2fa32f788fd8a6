"""A quantity that differs from case to case: how long a message is, how long a user thinks."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct


class Rng(Protocol):
    """What draws: a `random.Random`. Settings themselves are as given, and draw nothing."""

    def uniform(self, a: float, b: float) -> float: ...
    def expovariate(self, lambd: float) -> float: ...
    def lognormvariate(self, mu: float, sigma: float) -> float: ...
    def choice(self, seq: tuple[float, ...]) -> float: ...


class Shape(StrEnum):
    """How the values lie."""

    CONSTANT = "constant"
    UNIFORM = "uniform"
    EXPONENTIAL = "exponential"
    LOGNORMAL = "lognormal"
    FILE = "file"


class Spread(Struct, frozen=True):
    """Where values come from, drawn independently.

    Attributes:
        shape: of the distribution.
        values: the constant; lowest and highest; the mean; the median and the standard deviation of the logarithm; or
            all values of the file, each of which is as likely.
        text: as it was given.
    """

    shape: Shape
    values: tuple[float, ...]
    text: str

    def draw(self, rng: Rng) -> float:
        """One value, above 0; a constant takes nothing from `rng`."""
        match self.shape:
            case Shape.CONSTANT:
                return self.values[0]
            case Shape.UNIFORM:
                return rng.uniform(*self.values)
            case Shape.EXPONENTIAL:
                return rng.expovariate(1.0 / self.values[0])
            case Shape.LOGNORMAL:
                return rng.lognormvariate(math.log(self.values[0]), self.values[1])
            case Shape.FILE:
                return rng.choice(self.values)

    @property
    def least(self) -> float:
        """No value is below it."""
        return 0.0 if self.shape in (Shape.EXPONENTIAL, Shape.LOGNORMAL) else min(self.values)

    @property
    def mean(self) -> float:
        """Of the lognormal exp(mu + sigma²/2) (https://en.wikipedia.org/wiki/Log-normal_distribution)."""
        if self.shape is Shape.LOGNORMAL:
            return self.values[0] * math.exp(self.values[1] ** 2 / 2.0)
        return sum(self.values) / len(self.values)

    def __str__(self) -> str:
        return self.text


_NUMBERS: Final = {Shape.UNIFORM: 2, Shape.EXPONENTIAL: 1, Shape.LOGNORMAL: 2}
_FORMS: Final = (
    "uniform:{one},{more}, exponential:{one}, lognormal:{one},0.5 (median and sigma) or file:FILE (a value a line)"
)


def spread(value: Callable[[str], float], one: str, more: str) -> Callable[[str], Spread]:
    """A parser for a quantity.

    Args:
        value: parses one value, and refuses those that are not above 0.
        one, more: two values, the smaller one first, for error messages.
    """
    forms = f"give {one}, {_FORMS.format(one=one, more=more)}"

    def parse(text: str) -> Spread:
        name, colon, rest = text.strip().partition(":")
        if not colon:
            return Spread(Shape.CONSTANT, (value(text.strip()),), text.strip())
        if name not in (*_NUMBERS, Shape.FILE):
            raise ValueError(f"{text!r}: there is no {name!r}; {forms}")
        if name == Shape.FILE:
            return Spread(Shape.FILE, _read(Path(rest), value), text.strip())
        shape, parts = Shape(name), rest.split(",")
        if len(parts) != _NUMBERS[shape]:
            raise ValueError(f"{text!r} has not the numbers that it takes; {forms}")
        values = (value(parts[0]), *(_sigma(part) if shape is Shape.LOGNORMAL else value(part) for part in parts[1:]))
        if shape is Shape.UNIFORM and values[0] > values[1]:
            raise ValueError(f"{text!r}: the first is above the second; swap them")
        return Spread(shape, values, text.strip())

    return parse


def _sigma(text: str) -> float:
    try:
        sigma = float(text)
    except ValueError:
        sigma = -1.0
    if not 0 < sigma <= 5:
        raise ValueError(f"{text!r} is no sigma: give a number above 0, at most 5, as in lognormal:40,0.5")
    return sigma


def _read(path: Path, value: Callable[[str], float]) -> tuple[float, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ValueError(f"{str(path)!r} cannot be read ({reason}); give a file with one value a line") from None
    values = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                values.append(value(line.strip()))
            except ValueError as error:
                raise ValueError(f"line {number} of {str(path)!r}: {error}") from None
    if not values:
        raise ValueError(f"{str(path)!r} holds no value; give a file with one value a line")
    return tuple(values)
