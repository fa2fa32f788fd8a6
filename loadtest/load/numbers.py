"""The numbers of users, by which they get token and conversation: no two users of a run have the same one.

At the start each process gets a share of `0 ... users - 1`, every n-th. What a process needs beyond it (because another
one was lost, or it joined late) the master grants from those that are left.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from msgspec import Struct

UNBOUNDED: Final = 2**20
"""Where the numbers of late processes begin if nobody knows how many users there will be."""


class NoNumber(Exception):
    """There is no number left: more users than tokens."""


class Share(Struct, frozen=True):
    """What a process may give out without asking: `first`, `first + step`, ... below `until`; None for no end."""

    first: int
    step: int
    until: int | None = None


WHOLE: Final = Share(0, 1)
"""Of a process that is alone."""


class Numbers:
    """User numbers of one process; the smallest free one is given out.

    Args:
        share: what it has.
        ask: blocks until a further number has been granted, and returns it, or None for none; None where there is
            nobody to ask.
    """

    def __init__(self, share: Share = WHOLE, ask: Callable[[], int | None] | None = None) -> None:
        self._next = share.first
        self._share = share
        self._ask = ask
        self._free: list[int] = []

    def take(self) -> int:
        """A number that nobody has; may block.

        Raises:
            NoNumber: there is none.
        """
        if self._free:
            return heapq.heappop(self._free)
        if self._share.until is None or self._next < self._share.until:
            number, self._next = self._next, self._next + self._share.step
            return number
        granted = self._ask() if self._ask is not None else None
        if granted is None:
            raise NoNumber
        return granted

    def again(self) -> Numbers:
        """The same numbers, without an end, for users of another kind."""
        return Numbers(Share(self._share.first, self._share.step))

    def give_back(self, number: int) -> None:
        """Nobody has it any more."""
        heapq.heappush(self._free, number)


class Pool:
    """The master's view: who has which numbers, and which are left.

    Args:
        users: that the run begins with; None where nobody knows.
        capacity: how many users there are tokens for; None for any number.
    """

    def __init__(self, users: int | None, capacity: int | None) -> None:
        self.shared = next((known for known in (users, capacity) if known is not None), UNBOUNDED)
        self._left = [range(self.shared, UNBOUNDED**2 if capacity is None else max(capacity, self.shared))]
        self._held: dict[str, list[range]] = {}

    def share(self, holder: str, place: int, of: int) -> Share:
        """The share of one of the processes that are there at the start."""
        share = Share(place, of, self.shared)
        self._held[holder] = [range(place, self.shared, of)]
        return share

    def grant(self, holder: str) -> int | None:
        """A number that nobody has; None where all are given out."""
        while self._left and not self._left[0]:
            del self._left[0]
        if not self._left:
            return None
        granted, self._left[0] = self._left[0][:1], self._left[0][1:]
        self._held.setdefault(holder, []).append(granted)
        return granted[0]

    def release(self, holder: str) -> None:
        """A process has gone for good: what it had is free, and the first to be given out again."""
        self._left[:0] = self._held.pop(holder, [])
