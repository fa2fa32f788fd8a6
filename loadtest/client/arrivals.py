"""When the frames of one connection arrived, by the kernel's clock.

Each frame has

- `at_ns`: when its last byte reached this machine, by the kernel's clock (`SO_TIMESTAMPNS`), on the monotonic scale;
- `bound_ns`: the frame arrived within this long *before* `at_ns`. Frames that were waiting together share the stamp of
  the last byte queued. Each of them arrived after the previous read of the socket began, which emptied it, and after
  the last poll of the event loop that would have reported it (see `polls`). 0 when the stamp is the frame's own;
- `lag_ns`: from `at_ns` to our callback, which is the generator's own delay and in no latency.

Where there is no stamp (not on this platform, or the wall clock was set between arrival and read), `at_ns` is the time
of the callback and `bound_ns` reaches back from it in the same way, for every frame. A read that fills its buffer may
leave older bytes behind: what is read next may be as old as what was read then. The kernel stamps a packet some
microseconds before it queues its bytes, so bounds are true to that.
"""

from __future__ import annotations

import struct
from socket import CMSG_SPACE, SOL_SOCKET
from typing import Any, Final

from loadtest.client.dial import KERNEL_STAMPS, SO_TIMESTAMPNS
from loadtest.client.polls import PollClock
from loadtest.client.tally import Tally

QUEUEING_NS: Final = 200_000
"""A stamp may precede the previous read by this much: the kernel stamps a packet first and queues its bytes then."""
CATCH_UP_NS: Final = 1_000_000_000
"""What has piled up in a pause is read within this time."""
ANCILLARY: Final = CMSG_SPACE(16) if KERNEL_STAMPS else 0
"""Bytes that a read needs for its stamp."""
_TIMESPEC: Final = struct.Struct("qq")


class Arrivals:
    """The reads of one connection; instants are monotonic ns.

    Args:
        polls: of the event loop that reads.
        tally: counts reads without a stamp, and stamps that cannot be.

    Attributes:
        floor_ns: what is read next arrived after this, but for what a full read has left.
        left_some: whether more may have waited than the last read took.
        resumed_ns: when a pause in reading ended; 0 where there was none.
    """

    __slots__ = ("_polls", "_tally", "floor_ns", "left_some", "resumed_ns")

    def __init__(self, polls: PollClock, tally: Tally) -> None:
        self._polls = polls
        self._tally = tally
        self.floor_ns = self.resumed_ns = 0
        self.left_some = False

    def resume(self, now_ns: int) -> None:
        """Reading goes on after a pause."""
        self.resumed_ns = now_ns
        self.left_some = True  # what waits has arrived at any time since the last read

    def catching_up(self, now_ns: int) -> bool:
        """Whether what came in a pause may not have been read yet, though reading goes on."""
        return self.resumed_ns > 0 and now_ns - self.resumed_ns < CATCH_UP_NS

    def read(self, ancillary: list[Any], began_ns: int, now_ns: int, full: bool) -> tuple[int, int, int, bool]:
        """Bytes were read.

        Args:
            began_ns: when the read began.
            full: whether it filled its buffer.

        Returns:
            `at_ns`, the bound of what waited together, `lag_ns`, and whether `at_ns` is the kernel's.
        """
        stamp = self._stamp(ancillary, now_ns)
        floor, edge = self.floor_ns, self._polls.woken_ns
        if stamp is not None and stamp < edge:  # woken late: the last byte itself has waited for longer than that
            edge = self._polls.settled_ns
        if edge > floor and not self.left_some and (stamp is None or stamp >= edge):
            floor = edge
        self.left_some = full
        self.floor_ns = floor if full else began_ns
        at = now_ns if stamp is None else stamp
        # a pause is the user's, and no lag of ours
        return at, max(at - floor, 0), now_ns - max(at, self.resumed_ns), stamp is not None

    def _stamp(self, ancillary: list[Any], now: int) -> int | None:
        """The kernel's stamp of the last byte read, on the monotonic scale; None where there is none to believe."""
        for level, kind, value in ancillary:
            if level == SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                stamp: int = seconds * 1_000_000_000 + nanoseconds - self._polls.offset_ns
                if self.floor_ns - QUEUEING_NS <= stamp <= now:
                    return stamp
                self._tally.add("stamps_clamped")
                return None
        self._tally.add("reads_without_stamp")
        return None
