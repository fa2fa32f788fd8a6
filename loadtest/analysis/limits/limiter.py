"""Which rate limit a server keeps, from what it admitted and when. Pure.

The procedure that collects the evidence is `conformance.limiter_probe`; what it relies on:

- A full allowance of N is used up at once: N is the number admitted before the first rejection, less the tokens that a
  bucket got meanwhile (`buckets`).
- When the first message is admitted again, a *bucket* has one token, which fell after window / N; a *fixed window* and
  a *sliding log* have all N, since the N were sent together.
- Another user sends 1, and the other N - 1 half a window later. When it is admitted again, a fixed window has all N; a
  sliding log has the 1 alone, since the others are still in the log.
- The first moments at which both are admitted again are a window after each one's first message, unless windows begin
  by the clock: then they are the same moment, and the next one says how long a window is.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from msgspec import Struct

from loadtest.analysis.limits.buckets import Bucket, possible_buckets
from loadtest.analysis.limits.evidence import NS_PER_S, Evidence, by_clock


class FoundKind(StrEnum):
    """Kinds of rate limit."""

    FIXED = "fixed"
    SLIDING = "sliding"
    BUCKET = "bucket"
    NONE = "none"
    """None that the messages sent at once, a hundred or more, would meet."""
    UNCLEAR = "unclear"
    """There is a limit, and the evidence does not carry its kind."""


class Scope(StrEnum):
    """Who shares a limit."""

    USER = "user"
    CONNECTION = "connection"
    ALL = "all"
    """Other users, too: perhaps everybody from one address."""


class Limiter(Struct, frozen=True):
    """A rate limit as far as it is known.

    Attributes:
        limit: messages admitted in a window, or at once by a bucket.
        window_s: length of the window, or time in which an empty bucket is full again; seconds.
        window_bounds_s: it is certain to lie between these; None where it was not measured.
        evidence: what it is concluded from, in sentences.
        limit_bounds: likewise, of a bucket that got tokens while it was emptied; None where the limit was counted.
    """

    kind: FoundKind
    limit: int | None = None
    window_s: float | None = None
    scope: Scope | None = None
    window_bounds_s: tuple[float, float] | None = None
    evidence: tuple[str, ...] = ()
    limit_bounds: tuple[int, int] | None = None


def identify(evidence: Evidence) -> Limiter:
    """The limit behind the evidence; what it does not carry is None or `unclear`."""
    told = [_of_burst(evidence)]
    if evidence.rejection is None:
        silent = any(each.admitted is None for each in evidence.burst)
        return Limiter(FoundKind.UNCLEAR if silent else FoundKind.NONE, evidence=tuple(told))
    scope = _scope(evidence, told)
    kind = _kind(evidence, told)
    if kind is FoundKind.BUCKET:
        return _bucket(evidence, scope, told)
    bounds = _window(evidence, told)
    promised = evidence.rejection.retry_after_s
    window = roundest(*bounds) if bounds is not None else None
    if evidence.returned is None and evidence.rejected_again is None and promised is not None:
        window = float(promised)
        told.append(f"the window is the server's own word, Try again in {promised} seconds, and not measured")
    if evidence.cut_short:
        told.append(evidence.cut_short)
    return Limiter(kind, evidence.limit, window, scope, bounds, tuple(told))


def promise_error_s(evidence: Evidence) -> tuple[float, float] | None:
    """Least and greatest of the real wait less the promised one, seconds; None where either is not known.

    A promise in whole seconds, rounded up, is right between -1 and 0.
    """
    rejection, returned = evidence.rejection, evidence.returned
    if rejection is None or rejection.retry_after_s is None or returned is None or evidence.penal:
        return None
    least = max(returned.rejected.sent_ns - rejection.answered_ns, 0) / NS_PER_S
    most = (returned.admitted.answered_ns - rejection.sent_ns) / NS_PER_S
    return least - rejection.retry_after_s, most - rejection.retry_after_s


def roundest(low: float, high: float) -> float:
    """The number with the fewest decimals between two numbers, nearest to their middle; 0 < low <= high."""
    for digits in range(-math.floor(math.log10(high)) if high > 0 else 0, 10):
        unit = 10.0**-digits
        for step in (5.0 * unit, unit):  # 55 reads as easily as 50, and 2.5 as 2.4
            nearest = round((low + high) / 2 / step) * step
            if low <= nearest <= high and nearest > 0:
                return round(nearest, max(digits, 0))
    return (low + high) / 2


# --- parts -----------------------------------------------------------------------------------------------------------
def _of_burst(evidence: Evidence) -> str:
    burst = evidence.burst
    took = _seconds(burst[-1].answered_ns - burst[0].sent_ns) if burst else "0 s"
    unanswered = sum(each.admitted is None for each in burst)
    silence = f", {unanswered} not answered" if unanswered else ""
    end = silence or "; more were not sent"
    if evidence.rejection is None:
        return f"{len(burst)} messages within {took}: {evidence.limit} admitted, none rejected{end}"
    return f"{evidence.limit} messages admitted at once, the next rejected{silence}"


def _scope(evidence: Evidence, told: list[str]) -> Scope | None:
    second, other = evidence.second_connection, evidence.other_user
    admitted = sum(each.admitted is True for each in second)
    if admitted * 2 > evidence.limit:
        told.append("meanwhile the same user was admitted on a second connection: each connection has its own limit")
        return Scope.CONNECTION
    if other is not None and other.admitted is False:
        told.append(
            "another user was rejected meanwhile, too: the limit is not one user's own, or that user's was used up"
        )
        return Scope.ALL
    if all(each.admitted is None for each in second):
        return None
    rejected = f"admitted {admitted} of {len(second)} times" if admitted else "rejected"
    if other is None or other.admitted is None:
        told.append(f"meanwhile the same user was {rejected} on a second connection; no other user was tried")
        return Scope.USER
    told.append(f"meanwhile the same user was {rejected} on a second connection, and another user admitted")
    return Scope.USER


def _kind(evidence: Evidence, told: list[str]) -> FoundKind:
    limit, returned, spread = evidence.limit, evidence.returned, evidence.spread
    if returned is None:
        return FoundKind.UNCLEAR
    low, high = returned.wait_ns
    told.append(
        f"admitted again {_seconds(low)} to {_seconds(high)} after the first, {returned.at_once} of {limit} at once"
    )
    if evidence.penal or limit < 2:
        penal = "but only after a silence: messages that are rejected count against the limit, too"
        told.append(penal if evidence.penal else "a limit of 1 is the same for every kind")
        return FoundKind.UNCLEAR
    if returned.at_once * 2 <= limit:
        told.append("so allowance comes back bit by bit: a bucket")
        return FoundKind.BUCKET
    if spread is None or returned.at_once < limit:
        return FoundKind.UNCLEAR
    told.append(
        f"a user who sent 1 message, and {limit - 1} half a window later, was admitted again, {spread.at_once} at once"
    )
    if limit > spread.at_once > limit / 2:
        return FoundKind.UNCLEAR
    fixed = spread.at_once >= limit
    how = (
        "all is forgotten at one moment: a fixed window"
        if fixed
        else "each is forgotten at its own time: a sliding log"
    )
    told.append(f"so {how}")
    return FoundKind.FIXED if fixed else FoundKind.SLIDING


def _window(evidence: Evidence, told: list[str]) -> tuple[float, float] | None:
    returned, spread, after = evidence.returned, evidence.spread, evidence.next_return
    if returned is None or evidence.penal:
        return None
    if by_clock(returned, spread):
        told.append(
            "two users who began at different times were admitted again at the same: windows begin by the clock"
        )
        if after is None:
            return None
        low = after.rejected.sent_ns - returned.admitted.answered_ns
        high = after.admitted.answered_ns - returned.rejected.sent_ns
        return max(low, 0) / NS_PER_S, high / NS_PER_S
    low, high = returned.wait_ns
    if spread is not None:
        low, high = max(low, spread.wait_ns[0]), min(high, spread.wait_ns[1])
    return (low / NS_PER_S, high / NS_PER_S) if low <= high else None


def _bucket(evidence: Evidence, scope: Scope | None, told: list[str]) -> Limiter:
    """The bucket that fits all that its user sent; of several the one of the roundest size."""
    possible = _possible_buckets(evidence, scope)
    if not possible:
        told.append("no bucket that fills evenly would have admitted just these: its size and window are not known")
        return Limiter(FoundKind.BUCKET, scope=scope, evidence=tuple(told))
    sizes = least, most = possible[0].size, possible[-1].size
    best = min(possible, key=lambda each: abs(each.size - roundest(least, most)))
    if least < evidence.limit:
        these = str(least) if least == most else f"{least} to {most}"
        told.append(f"a bucket of {these} that got tokens while it was emptied")
    windows_ns = [each.window_ns for each in possible]
    bounds_s = min(low for low, _ in windows_ns) / NS_PER_S, max(high for _, high in windows_ns) / NS_PER_S
    if math.isinf(bounds_s[1]):
        return Limiter(FoundKind.BUCKET, best.size, None, scope, None, tuple(told), sizes)
    window_s = roundest(*(ns / NS_PER_S for ns in best.window_ns))
    return Limiter(FoundKind.BUCKET, best.size, window_s, scope, bounds_s, tuple(told), sizes)


def _possible_buckets(evidence: Evidence, scope: Scope | None) -> list[Bucket]:
    tries = evidence.first_connection
    if scope is not Scope.CONNECTION:
        tries = tuple(sorted(tries + evidence.second_connection, key=lambda each: each.sent_ns))
    sent, answered = (np.array([getattr(each, name) for each in tries]) for name in ("sent_ns", "answered_ns"))
    return possible_buckets(sent, answered, [each.admitted for each in tries])


def _seconds(ns: int) -> str:
    seconds = ns / NS_PER_S
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
