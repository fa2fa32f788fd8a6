"""When a virtual user's messages are meant to leave: seconds from its start, absolute, seeded and endless. Pure.

A schedule never looks at replies (open loop), so a stalled server gets the load that it would get in life.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final

from loadtest.settings import Arrivals, Rate, Spread

GUARD_SHARE: Final = 0.02
GUARD_MIN_S: Final = 0.25
"""Guard band behind the rate-limit window: room for the jitter of two journeys to the server. Pacing at exactly the
limit is rejected about one time in twenty by jitter alone."""


def guard_s(limit: Rate) -> float:
    """Seconds to stay clear of the edge of a rate-limit window."""
    return max(GUARD_SHARE * limit.window_s, GUARD_MIN_S)


def poisson(rate: Rate, rng: Random) -> Iterator[float]:
    """Independent exponential gaps with the mean of the rate."""
    at = 0.0
    while True:
        at += rng.expovariate(rate.per_second)
        yield at


def constant(rate: Rate, rng: Random) -> Iterator[float]:
    """Equal gaps from a random phase: without it, all users would send at once."""
    gap = 1.0 / rate.per_second
    phase = rng.random() * gap
    place = 0
    while True:
        yield phase + place * gap
        place += 1


def burst(rate: Rate, rng: Random, size: int) -> Iterator[float]:
    """`size` messages at once, from a random phase, at the mean of the rate."""
    for at in constant(Rate(rate.messages, rate.window_s * size), rng):
        yield from (at for _ in range(size))


def arrivals(kind: Arrivals, rate: Rate, rng: Random, burst_size: int) -> Iterator[float]:
    """The schedule of a kind of arrivals."""
    match kind:
        case Arrivals.POISSON:
            return poisson(rate, rng)
        case Arrivals.CONSTANT:
            return constant(rate, rng)
        case Arrivals.BURST:
            return burst(rate, rng, burst_size)


def thinking(gaps: Spread, rng: Random) -> Iterator[float]:
    """Gaps drawn from a distribution, the first of them cut at a random place."""
    at = gaps.draw(rng) * rng.random()
    while True:
        yield at
        at += gaps.draw(rng)


def within(limit: Rate, times: Iterator[float]) -> Iterator[float]:
    """Hold times back so that no window of the limit, plus guard band, ever holds more messages than it admits.

    At most `limit.messages` in *any* window is what a sliding log admits; a fixed window and a token bucket of the same
    size admit at least that.
    """
    span = limit.window_s + guard_s(limit)
    recent: deque[float] = deque(maxlen=limit.messages)
    at = 0.0
    for wanted in times:
        at = max(wanted, at)
        if len(recent) == limit.messages:
            at = max(at, recent[0] + span)
        recent.append(at)
        yield at


def at_limit(limit: Rate, rng: Random) -> Iterator[float]:
    """Exactly the rate of the limit: on its edge on purpose."""
    return constant(limit, rng)


def above_limit(limit: Rate, factor: float, rng: Random, size: int = 1) -> Iterator[float]:
    """`factor` times the rate of the limit, `size` messages at once."""
    return burst(Rate(limit.messages, limit.window_s / factor), rng, size)


def every_other(times: Iterator[float], period_s: float, began_s: float) -> Iterator[float]:
    """Those times that lie in every other period of the clock: the same periods for all users of a machine.

    Args:
        began_s: the clock's time at 0.
    """
    return (at for at in times if (began_s + at) // period_s % 2 == 1)


def within_one(from_s: float, until_s: float, period_s: float, began_s: float) -> bool:
    """Whether a time lies wholly in one of these periods.

    Args:
        began_s: the clock's time at 0.
    """
    first, last = ((began_s + at) // period_s for at in (from_s, until_s))
    return first == last and first % 2 == 1
