"""What one connection hears, kept to be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import gevent.event

from loadtest.protocol import Payload, ServerEvent


class Counts:
    """Counts by name and key of all connections of a check (see `client.tally.Tally`)."""

    def __init__(self) -> None:
        self.frames_received = self.bytes_received = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, key: str = "", value: int = 1) -> None:
        self._counts[name, key] += value

    def keys(self, name: str) -> list[str]:
        """What was counted under a name, in alphabetical order."""
        return sorted(key for counted, key in self._counts if counted == name)


class Heard(NamedTuple):
    """One frame: when it came (monotonic ns), the guide's event in it, or None, and its bytes."""

    at_ns: int
    event: ServerEvent | None
    data: bytes


class Hearing:
    """Frames in the order of their coming, and whoever waits for one."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._news = gevent.event.Event()
        self.over = False
        """Whether nothing more will come."""

    def hear(self, at_ns: int, event: ServerEvent | None, data: Payload) -> None:
        self.heard.append(Heard(at_ns, event, bytes(data)))
        self._news.set()

    def end(self) -> None:
        self.over = True
        self._news.set()

    def mark(self) -> int:
        """The place of the next frame."""
        return len(self.heard)

    def until(self, wanted: Callable[[Heard], bool], since: int, patience_s: float) -> Heard | None:
        """The first frame from a place on that is wanted; None where none came in time, or can come any more."""
        with gevent.Timeout(patience_s, False):
            place = since
            while True:
                self._news.clear()
                while place < len(self.heard):
                    if wanted(self.heard[place]):
                        return self.heard[place]
                    place += 1
                if self.over:
                    return None
                self._news.wait()
        return None

    def all(self, wanted: Callable[[Heard], bool], since: int = 0) -> list[Heard]:
        """All frames from a place on that are wanted."""
        return [each for each in self.heard[since:] if wanted(each)]
