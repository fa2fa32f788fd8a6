"""When the event loop last looked at its sockets: the lower edge of what may have arrived since.

Polls of epoll and kqueue are level-triggered: what has reached a socket is reported by the next of them, and is read in
the iteration that follows. So whatever is read now arrived after the last look at every socket whose reports have been
served: `PollClock.settled_ns`. There are two such looks:

- The end of a poll, when it brought data, since one that a stop signal broke off (EINTR) reports nothing, however much
  has arrived; and when it cannot have been full: libev takes a limited number of reports a poll, 64 at first and more
  once that was met.
- The beginning of a poll that slept: it would not have, had there been anything to report.

What a poll that slept reports is moreover what woke it, some microseconds ago: `PollClock.woken_ns`. Without it, frames
that reach an idle generator together would be known no better than by its last tick. It holds for the reports of that
poll alone: one that was broken off may have been asleep, or stopped, on top of what the next one reports.

What it cannot see: the process may be put aside in the microseconds between the kernel's look and our note of it, or
before it is woken. Then a stamp before either edge gives it away (see `arrivals`), and so does the lag of the loop.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final

NEVER: Final = 2**63
ROOM: Final = 64
"""Reports that libev takes from its first polls (`epoll_eventmax`, `kqueue_eventmax`); it grows when full."""
OTHERS: Final = 8
"""Reports of a poll that need not be of our connections: timers, signals, Locust's own sockets."""
SLEPT_NS: Final = 50_000
"""A poll that took longer than this has slept until something came; one that finds something takes 3 to 20 µs."""
WAKING_NS: Final = 250_000
"""From an arrival to the return of the poll that it wakes, on a machine with a core to spare: 10 to 100 µs."""
STEP_NS: Final = 50_000
"""Two readings of the clocks lie closer together than this, unless the wall clock was set or we were put aside."""

UNSURE: Final = -(2**62)
"""The offset for one poll after a step forward: no stamp lies so far off that it could be believed."""


class PollClock:
    """Watches the polls of one event loop, for as long as the loop lives; keeps no loop alive.

    Args:
        loop: gevent's.

    Attributes:
        settled_ns: what is read now arrived after this (monotonic).
        woken_ns: likewise, if waking takes no longer than `WAKING_NS`; never earlier than `settled_ns`.
        offset_ns: the wall clock less the monotonic one. The kernel steers both alike, so it is constant but for steps;
            `UNSURE` for one poll after a step forward.
        reads: to be counted up by whoever reads from a socket.
        due_ns, when_due: what is to be called from this instant on, between two reads too: a poll may report so much
            that serving it all first would make a message late.
    """

    __slots__ = (
        "_asleep_ns",
        "_polled_ns",
        "_room",
        "_watchers",
        "due_ns",
        "offset_ns",
        "reads",
        "settled_ns",
        "when_due",
        "woken_ns",
    )

    def __init__(self, loop: Any) -> None:
        self.settled_ns = self.woken_ns = self._polled_ns = self._asleep_ns = 0
        self.offset_ns = _offset()
        self.reads = 0
        self.due_ns = NEVER
        self.when_due: Callable[[], object] = int
        self._room = ROOM
        returned = loop.check(ref=False, priority=loop.MAXPRI)  # before every callback of its iteration
        returned.start(self._on_return)
        self._watchers = [returned]
        if "libev" in type(loop).__module__:  # libuv serves reports before it says that a poll is over
            begins = loop.prepare(ref=False, priority=loop.MINPRI)  # after the greenlets that were ready
            begins.start(self._on_begin)
            self._watchers.append(begins)

    def _on_begin(self) -> None:
        self._asleep_ns = time.monotonic_ns()

    def _on_return(self) -> None:
        """A poll has returned; its reports are served next."""
        now = time.monotonic_ns()
        offset = time.time_ns() - now  # side by side: what lies between them ends up in every stamp
        reads = self.reads
        if reads:
            self.reads = 0
            if reads < self._room - OTHERS:
                self.settled_ns = self._polled_ns
            elif reads > self._room:
                self._room = reads
        if self._asleep_ns and now - self._asleep_ns > SLEPT_NS:
            self.settled_ns = self._asleep_ns
            self.woken_ns = max(self._asleep_ns, now - WAKING_NS)
        else:
            self.woken_ns = self.settled_ns
        self._polled_ns = now
        if offset < self.offset_ns or offset - self.offset_ns > STEP_NS:
            self._correct(offset)

    def _correct(self, offset: int) -> None:
        """Keep the least reading, since readings can only be late (by being put aside in between); follow a step."""
        if self.offset_ns == UNSURE:
            self.offset_ns = offset
            return
        if offset > self.offset_ns:
            offset = min(_offset() for _ in range(3))
        if offset - self.offset_ns > STEP_NS:
            self.offset_ns = UNSURE  # a stamp from before the step would be taken for an early one
        elif offset < self.offset_ns:
            self.offset_ns = offset


def _offset() -> int:
    now = time.monotonic_ns()
    return time.time_ns() - now


@functools.cache
def poll_clock(loop: Any) -> PollClock:
    """The clock of a loop; one for all of its connections."""
    return PollClock(loop)
