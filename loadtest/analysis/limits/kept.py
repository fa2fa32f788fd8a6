"""Users who kept a fixed window beyond doubt, found for all of them at once. Pure.

`judges.fixed_window` goes through the messages of a user one by one. Of a sound server it finds nothing in nearly all
users, and of these most can be seen from afar: no message was on its way at an edge of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.runs.columns import Bools, Ints

_FARTHEST_NS: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What a limiter decided, user by user, and of each in the order of sending.

    Attributes:
        starts: the first row of each user; shape u.
        sent_ns, known_ns: as in `judges.Decision`; shape n.
        admitted, rejected: neither where it is not known whether the message counts; shape n.
    """

    starts: Ints
    sent_ns: Ints
    known_ns: Ints
    admitted: Bools
    rejected: Bools


def kept_windows(made: Decisions, limit: int, window_ns: int) -> Bools:
    """Whether `fixed_window` would find nothing in a user; where False, it may all the same. Shape u.

    Args:
        limit: messages of a window.
        window_ns: its length.
    """
    span_ns = int(made.known_ns.max()) - int(made.sent_ns.min()) + window_ns + 1
    if span_ns > _FARTHEST_NS // len(made.starts):
        return np.zeros(len(made.starts), np.bool_)
    stops = np.append(made.starts[1:], len(made.sent_ns))
    slowest_ns = np.maximum.reduceat(made.known_ns - made.sent_ns, made.starts)
    line = _Line(made, stops, span_ns)
    admitted_before = np.append(0, np.cumsum(made.admitted))
    refusals = np.append(np.flatnonzero(made.rejected), len(made.sent_ns))
    kept: Bools = np.logical_and.reduceat(made.admitted | made.rejected, made.starts)
    users, first = np.arange(len(made.starts)), made.starts
    while True:
        going_on = kept[users] & (first < stops[users])
        users, first = users[going_on], first[going_on]
        if not len(users):
            return kept
        # opened by the first message, between its sending and its answer: so is its end known, and no better
        after = line.sent_from(users, made.known_ns[first] + window_ns)
        clear = line.sent_from(users, made.sent_ns[first] + window_ns - slowest_ns[users]) >= after
        within = admitted_before[after] - admitted_before[first]
        refused = refusals[np.searchsorted(refusals, first)]
        used_up = admitted_before[refused] - admitted_before[first] == limit
        kept[users] = clear & (within <= limit) & ((refused >= after) | used_up)
        first = after


class _Line:
    """Finds a user's first message from an instant on: all users on one line of time, one behind the other.

    Args:
        span_ns: longer than from the first message to any instant that is asked for.
    """

    def __init__(self, made: Decisions, stops: Ints, span_ns: int) -> None:
        self._begin_ns = int(made.sent_ns.min())
        self._offsets = np.arange(len(stops)) * span_ns
        self._places = made.sent_ns - self._begin_ns + np.repeat(self._offsets, stops - made.starts)

    def sent_from(self, users: Ints, at_ns: Ints) -> Ints:
        at = np.maximum(at_ns - self._begin_ns, 0)  # before that lie the messages of another user
        return np.searchsorted(self._places, at + self._offsets[users])
