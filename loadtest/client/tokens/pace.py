"""So many a second, and so many at once: what keeps users from storming a login endpoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import gevent
import gevent.lock

LONGEST_PAUSE_S: Final = 60.0
"""Of what an endpoint may ask for by Retry-After: a hostile one must not hold a run for ever."""


class Pace:
    """Turns at even distances.

    Args:
        per_second: turns a second.
        at_once: turns that may be taken at the same time.
    """

    def __init__(self, per_second: float, at_once: int) -> None:
        self._interval_s = 1.0 / per_second
        self._turns = gevent.lock.BoundedSemaphore(at_once)
        self._next_s = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and hold it."""
        with self._turns:
            now = time.monotonic()
            due, self._next_s = max(now, self._next_s), max(now, self._next_s) + self._interval_s
            if due > now:
                gevent.sleep(due - now)
            yield

    def pause(self, seconds: float) -> None:
        """Give no turn for so long, at most `LONGEST_PAUSE_S`."""
        self._next_s = max(self._next_s, time.monotonic() + min(max(seconds, 0.0), LONGEST_PAUSE_S))
