"""Numbers as people read them. What is not known is a dash, never 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

DASH: Final = "–"
INFINITE: Final = "∞"
PLUS_MINUS: Final = "±"


def milliseconds(value: float | None) -> str:
    """A time given in ms, with three significant digits in the unit that suits it."""
    if value is None:
        return DASH
    if value < 0:
        return f"-{milliseconds(-value)}"
    scale, unit = _unit(value)
    return f"{_digits(value * scale, unit)} {unit}"


def quantity(value: float | None, unit: str) -> str:
    """A value of a metric, in the metric's unit."""
    if unit == "ms" or value is None:
        return milliseconds(value)
    return f"{_three_digits(value)} {unit}"


def amount(value: float | None, unit: str) -> str:
    """A quantity that runs are compared by: a share, which has no unit, as a percentage; what never came as `∞`."""
    if value is None or unit:
        return INFINITE if value == math.inf else quantity(value, unit)
    return f"{100 * value:.2f} %"


@dataclass(frozen=True, slots=True)
class Span:
    """An estimate and its interval, as texts in one unit, such as `19.0`, `18.2`, `21.4` and `ms`."""

    at: str
    low: str
    high: str
    unit: str

    @property
    def ends(self) -> str:
        """The interval as it stands beneath its estimate; with its unit where that has none."""
        unit = f" {self.unit}" if self.at == INFINITE else ""
        return f"{self.low}{unit}–{self.high}"


def span(at: float, low: float, high: float) -> Span:
    """Of times given in ms, in the unit that suits the estimate; +infinity is `∞`."""
    scale, unit = _unit(low if math.isinf(at) else at)
    middle, first, last = (INFINITE if math.isinf(value) else _digits(value * scale, unit) for value in (at, low, high))
    return Span(middle, first, last, unit)


def duration(seconds: float) -> str:
    """A length of time as in `45 s`, `5 min`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 1:
        return f"{seconds:.1f} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (left, "s"))
    return " ".join(f"{number} {name}" for number, name in parts if number)


def number(value: int | None) -> str:
    """A count with separators."""
    return DASH if value is None else f"{value:,}"


def size(octets: int) -> str:
    """Bytes with three significant digits: `840 B`, `12.4 MB`."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "KB")):
        if octets >= 999.5 * 1000 ** (power - 1):
            return f"{_three_digits(octets / 1000**power)} {unit}"
    return f"{octets:,} B"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return DASH if share is None else f"{100 * share:.1f} %"


def _unit(value: float) -> tuple[float, str]:
    """What a time in ms is multiplied by, and the unit that it has then."""
    return (1e3, "µs") if 0 < value < 0.0995 else (1.0, "ms") if value < 999.5 else (1e-3, "s")


def _digits(value: float, unit: str) -> str:
    """Three significant digits; none beyond the microsecond."""
    return "0" if not value else f"{value:.0f}" if unit == "µs" else _three_digits(value)


def _three_digits(value: float) -> str:
    if value < 0.995:
        return f"{value:.2f}"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
