"""What a rate limiter of each kind would have done, as far as can be known from outside. Pure.

A server decides on a message at some moment within [sent, ack]. A reading of its messages contradicts a kind of limiter
only where every moment in there does; what depends on the moment is `ambiguous`. Admitted beyond the limit is a *leak*,
rejected within it a *false rejection*.

A user's messages are decided in the order of sending, but for those whose fate is unknown: what was lost with its
connection may be read by the server long after the next connection's first messages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from heapq import heappop, heappush
from typing import Final, NamedTuple

from loadtest.settings import LimitKind


class Fate(Enum):
    """What became of a message, as the limiter's books go."""

    ADMITTED = "admitted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """It may count or not: timed out, lost, or refused for another reason."""


class Decision(NamedTuple):
    """What became of one message of a user; ns.

    Attributes:
        sent_ns: the server decided no earlier.
        known_ns: and no later, since its answer was here, or nobody waited for it any more and that of a later message
            was here; at least `sent_ns`.
    """

    sent_ns: int
    known_ns: int
    fate: Fate


Attempt = tuple[int, int, Fate]
"""A `Decision`, or its plain fields: where there are a million, their names cost more than their judgement."""


class Findings(NamedTuple):
    """How often a user's messages contradict a kind of limiter."""

    leaks: int = 0
    false_rejections: int = 0
    ambiguous: int = 0

    @property
    def contradictions(self) -> int:
        return self.leaks + self.false_rejections

    def plus(self, other: Findings) -> Findings:
        if other is NONE:  # of nearly every message
            return self
        return Findings(
            self.leaks + other.leaks,
            self.false_rejections + other.false_rejections,
            self.ambiguous + other.ambiguous,
        )


LEAK: Final = Findings(leaks=1)
FALSE_REJECTION: Final = Findings(false_rejections=1)
AMBIGUOUS: Final = Findings(ambiguous=1)
NONE: Final = Findings()


def _weigh(fate: Fate, at_least: int, at_most: int, limit: int) -> Findings:
    """A message that met so many already admitted ones within the window."""
    if fate is Fate.ADMITTED:
        return LEAK if at_least >= limit else AMBIGUOUS if at_most >= limit else NONE
    return FALSE_REJECTION if at_most < limit else AMBIGUOUS if at_least < limit else NONE


# --- fixed window -----------------------------------------------------------------------------------------------------
class _Window(NamedTuple):
    """What one reading of a user's messages takes its window to be.

    Attributes:
        opened_ns: no earlier than this.
        opened_by_ns: and no later; None while no message is known to have counted in it.
        at_least, at_most: messages that it has admitted, but for those whose fate is unknown.
    """

    opened_ns: int
    opened_by_ns: int | None
    at_least: int = 0
    at_most: int = 0

    def take(self, attempt: Attempt, unknown: Sequence[Attempt], limit: int) -> tuple[_Window, Findings]:
        """A message that falls into it."""
        opened_ns, by, at_least, at_most = self
        _, known_ns, fate = attempt
        also = sum(end_ns >= opened_ns for _, end_ns, _ in unknown) if unknown else 0
        found = _weigh(fate, at_least, at_most + also, limit)
        if found is LEAK:  # whether a limiter that errs has kept its books all the same is not known
            return _Window(opened_ns, by, at_least, at_most + 1), found
        if fate is Fate.ADMITTED:
            return _Window(opened_ns, known_ns if by is None else by, at_least + 1, at_most + 1), found
        if found is FALSE_REJECTION:
            return _Window(opened_ns, by, at_least, at_most + 1), found
        return self, found


_MOST_READINGS: Final = 8


def fixed_window(tries: Iterable[Attempt], limit: int, window_ns: int) -> Findings:
    """A window that opens at the first message that counts, and admits so many (backend.md, Rate limit).

    A message that may lie on either side of a window's edge is ambiguous, and read both ways from there on; in the end
    the reading with the fewest contradictions stands.

    Args:
        tries: of one user, in the order of sending.
        limit: messages of a window.
        window_ns: its length.
    """
    readings: Sequence[tuple[_Window | None, Findings]] = [(None, NONE)]
    unknown: list[Attempt] = []
    for attempt in tries:
        if attempt[2] is Fate.UNKNOWN:
            unknown.append(attempt)
            continue
        if unknown:
            unknown = _that_may_count(unknown, readings)
        after = [
            (window, so_far.plus(found))
            for before, so_far in readings
            for window, found in _read(before, attempt, unknown, limit, window_ns)
        ]
        readings = after if len(after) == 1 else _best(after)
    return min((found for _, found in readings), key=_badness)


def _best(readings: list[tuple[_Window, Findings]]) -> list[tuple[_Window, Findings]]:
    """Of each window the reading that has least against it; of too many, the worse ones are read as one."""
    readings.sort(key=lambda reading: _badness(reading[1]))
    first: dict[_Window, Findings] = {}
    for window, found in readings:
        first.setdefault(window, found)
    kept = list(first.items())
    if len(kept) > _MOST_READINGS:  # the true one may be among these, so that none of them is dropped
        rest = kept[_MOST_READINGS - 1 :]
        kept[_MOST_READINGS - 1 :] = [(_any_of([window for window, _ in rest]), rest[0][1])]
    return kept


def _any_of(windows: Sequence[_Window]) -> _Window:
    """What is known where it may be any of these."""
    opened_by_ns = [window.opened_by_ns for window in windows if window.opened_by_ns is not None]
    return _Window(
        min(window.opened_ns for window in windows),
        max(opened_by_ns) if len(opened_by_ns) == len(windows) else None,
        min(window.at_least for window in windows),
        max(window.at_most for window in windows),
    )


def _badness(found: Findings) -> tuple[int, int]:
    return found.contradictions, found.ambiguous


def _that_may_count(unknown: Sequence[Attempt], readings: Sequence[tuple[_Window | None, Findings]]) -> list[Attempt]:
    """Those that may have been decided since a window opened that may still be open."""
    since_ns = min(window.opened_ns if window is not None else unknown[0][0] for window, _ in readings)
    return [each for each in unknown if each[1] >= since_ns]


def _read(
    window: _Window | None, attempt: Attempt, unknown: Sequence[Attempt], limit: int, length_ns: int
) -> Sequence[tuple[_Window, Findings]]:
    """The windows that may be open after a message, and what each has against it.

    Args:
        unknown: those sent before it whose fate is unknown.
    """
    sent_ns, known_ns, _ = attempt
    ends_ns = sent_ns - length_ns if window is None else window.opened_ns + length_ns
    if window is None or (window.opened_by_ns is not None and sent_ns >= window.opened_by_ns + length_ns):
        return (_opened(attempt, unknown, ends_ns, length_ns).take(attempt, unknown, limit),)
    if known_ns < ends_ns:
        return (window.take(attempt, unknown, limit),)
    # at an edge nothing is held against the server, whichever reading it would contradict
    same = window._replace(opened_ns=max(window.opened_ns, sent_ns - length_ns))
    beyond = _opened(attempt, unknown, ends_ns, length_ns)
    return [(reading.take(attempt, unknown, limit)[0], AMBIGUOUS) for reading in (same, beyond)]


def _opened(attempt: Attempt, unknown: Sequence[Attempt], earliest_ns: int, length_ns: int) -> _Window:
    """The window of a message with which the one before is over: opened by it, or by one whose fate is unknown."""
    sent_ns, _, _ = attempt
    opened_ns = min((sent for sent, known, _ in unknown if known >= earliest_ns), default=sent_ns)
    return _Window(max(opened_ns, earliest_ns, sent_ns - length_ns), None)


# --- sliding log ------------------------------------------------------------------------------------------------------
def sliding_log(tries: Iterable[Attempt], limit: int, window_ns: int) -> Findings:
    """Admits a message if fewer than so many were admitted in the window that ends with it; see `fixed_window`."""
    total, first = NONE, 0
    may_count_ns: list[int] = []  # when the decision was known, of each that may count
    counts_ns: list[int] = []  # when it was sent, of each that counts for certain
    for sent_ns, known_ns, fate in tries:
        while first < len(may_count_ns) and may_count_ns[first] <= sent_ns - window_ns:
            first += 1
        if fate is Fate.UNKNOWN:  # holds those behind it back, too, until it is given up
            may_count_ns.append(known_ns)
            continue
        at_least = len(counts_ns) - bisect_right(counts_ns, known_ns - window_ns)
        found = _weigh(fate, at_least, len(may_count_ns) - first, limit)
        total = total.plus(found)
        if fate is Fate.ADMITTED or found is FALSE_REJECTION:
            may_count_ns.append(known_ns)
        if fate is Fate.ADMITTED and found is not LEAK:
            counts_ns.append(sent_ns)
    return total


# --- token bucket -----------------------------------------------------------------------------------------------------
def token_bucket(tries: Iterable[Attempt], limit: int, window_ns: int) -> Findings:
    """A bucket of so many tokens, full at first, that takes a window to fill; see `fixed_window`.

    Kept as the moment at which the bucket would be full again: the earliest, and the latest by the clock and by what
    was taken out since, messages being decided in their order, and those whose fate is unknown when it was given up. In
    ns times the limit: a token's time is whole then.
    """
    total, full_ns = NONE, window_ns * limit
    earliest = latest = backlog = last = 0
    unknown: list[int] = []  # when each is given up, of those that may be decided yet
    for sent_ns, known_ns, fate in tries:
        sent, known = sent_ns * limit, known_ns * limit
        while unknown and unknown[0] <= sent:
            given_up = heappop(unknown)
            latest = max(latest, given_up) + window_ns
            backlog = max(backlog - max(given_up - last, 0), 0) + window_ns
            last = max(last, given_up)
        if fate is Fate.UNKNOWN:
            heappush(unknown, known)
            continue
        # a token lacks where the bucket would take longer than a window to fill after it
        surely = max(earliest, known) + window_ns - known > full_ns
        taken = max(backlog - max(sent - last, 0), 0) + window_ns
        maybe = min(max(latest, sent) + window_ns - sent, taken) + len(unknown) * window_ns > full_ns
        found = _weigh(fate, limit if surely else 0, limit if maybe else 0, limit)
        total = total.plus(found)
        if fate is Fate.ADMITTED and found is not LEAK:
            earliest = max(earliest, sent) + window_ns
        if fate is Fate.ADMITTED or found is FALSE_REJECTION:
            latest, backlog, last = max(latest, known) + window_ns, taken, known
    return total


JUDGES: Final[Mapping[LimitKind, Callable[[Iterable[Attempt], int, int], Findings]]] = {
    LimitKind.FIXED: fixed_window,
    LimitKind.SLIDING: sliding_log,
    LimitKind.BUCKET: token_bucket,
}
"""Of kinds that a run contradicts equally often, the earlier is told: the guide's own first."""
