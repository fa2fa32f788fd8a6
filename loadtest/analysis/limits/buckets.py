"""Token buckets that would have decided on one user's messages as a server did. Pure.

A bucket of N tokens is full at first, takes one in each interval I, and never holds more than N. So a message meets no
token exactly where, since one of those before it that took one, the time was too short: with c taken from that one on,
c + 1 - N intervals of it would have had to pass. Each decision bounds I so for every N, wherever between sent and
answered it was made; a bucket is possible as long as its bounds leave room.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loadtest.runs.columns import Ints


class Bucket(NamedTuple):
    """A bucket that is possible.

    Attributes:
        size: tokens of a full one.
        interval_ns: the least and the greatest time between two tokens.
    """

    size: int
    interval_ns: tuple[float, float]

    @property
    def window_ns(self) -> tuple[float, float]:
        """The least and the greatest time in which an empty one is full again."""
        least, most = self.interval_ns
        return least * self.size, most * self.size


def possible_buckets(sent_ns: Ints, answered_ns: Ints, admitted: Sequence[bool | None]) -> list[Bucket]:
    """Those that may have decided on a user's messages, the smallest first; none where none was rejected.

    Args:
        sent_ns, answered_ns: monotonic ns, in the order of the decisions; shape n.
        admitted: None where no answer came, so that the message may have taken a token or not; shape n.
    """
    taken = np.array([each is True for each in admitted])
    perhaps = np.array([each is not False for each in admitted])
    if perhaps.all():
        return []
    # beside another's fate a message bounds the interval most; all others say the same less sharply
    turns = np.flatnonzero(np.diff(taken) | np.diff(perhaps))
    telling = np.unique(np.concatenate((turns, turns + 1, [len(taken) - 1]))).tolist()
    met = [(sent_ns[:at][taken[:at]], int(answered_ns[at])) for at in telling if taken[at]]
    lacked = [(answered_ns[:at][perhaps[:at]], int(sent_ns[at])) for at in telling if not perhaps[at]]
    found = []
    for size in range(1, int(np.argmin(perhaps)) + 1):
        least = max(_longest_ns(*each, size) for each in lacked)
        most = min((_longest_ns(*each, size) for each in met), default=math.inf)
        if least < most:
            found.append(Bucket(size, (max(least, 0.0), most)))
    return found


def _longest_ns(takers_ns: Ints, until_ns: int, size: int) -> float:
    """The longest interval with which a message meets a token, infinite where it meets one with any.

    Args:
        takers_ns: when those before it took theirs.
        until_ns: when it asked.
    """
    intervals = np.arange(len(takers_ns) + 1 - size, 0, -1)  # that have to pass from the first on, the second ...
    if not len(intervals):
        return math.inf
    return float(np.min((until_ns - takers_ns[: len(intervals)]) / intervals))
