"""Numbers as people read them. What is not known is a dash, never 0."""

from __future__ import annotations

from typing import Final

DASH: Final = "–"


def milliseconds(value: float | None) -> str:
    """A time given in ms, with three significant digits in the unit that suits it."""
    if value is None:
        return DASH
    if value < 0:
        return f"-{milliseconds(-value)}"
    if value < 0.0995:
        return f"{value * 1000:.0f} µs" if value else "0 ms"
    return f"{_three_digits(value)} ms" if value < 999.5 else f"{_three_digits(value / 1000)} s"


def quantity(value: float | None, unit: str) -> str:
    """A value of a metric, in the metric's unit."""
    if unit == "ms" or value is None:
        return milliseconds(value)
    return f"{_three_digits(value)} {unit}"


def span(low: float, high: float) -> str:
    """An interval given in ms, in the unit that suits its upper end."""
    scale, unit = (1e3, "µs") if high < 0.0995 else (1.0, "ms") if high < 999.5 else (1e-3, "s")
    return f"[{_three_digits(low * scale)}, {_three_digits(high * scale)}] {unit}"


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


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return DASH if share is None else f"{100 * share:.1f} %"


def _three_digits(value: float) -> str:
    if value < 0.995:
        return f"{value:.2f}"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"
