"""Waking at an instant, to some tens of microseconds.

The event loop's own timers end on whole milliseconds (epoll_wait(2)), which would make every message about a
millisecond late. Linux's timerfd keeps nanoseconds and is one more file descriptor to the loop. Elsewhere the loop's
timers have to do; what that costs is in `send_lag`. An alarm that is due rings before the other callbacks of its
iteration, and between two reads (see `client.polls`).
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import sys
import time
from typing import Any, Final

import gevent
from gevent.hub import Waiter, get_hub

from loadtest.client.polls import NEVER, poll_clock

CLOCK_MONOTONIC: Final = 1
TFD_NONBLOCK_CLOEXEC: Final = 0o4000 | 0o2000000
TFD_TIMER_ABSTIME: Final = 1
_NS: Final = 1_000_000_000
_READ: Final = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """Wakes greenlets of one process at instants of the monotonic clock."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Any]] = []
        self._order = itertools.count()
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self._fd = -1
        if self._libc is not None:
            self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC)
        self._watcher: Any = None
        loop = get_hub().loop
        self._polls = poll_clock(loop)
        self._polls.when_due = self._ring
        if self._fd >= 0:
            self._watcher = loop.io(self._fd, _READ, priority=loop.MAXPRI)
            self._watcher.start(self._on_timer)

    def wait_until(self, due_ns: int) -> None:
        """Block the calling greenlet until `due_ns` (monotonic)."""
        left = due_ns - time.monotonic_ns()
        if left <= 0:
            return
        if self._watcher is None:
            gevent.sleep(left / _NS)
            return
        waiter = Waiter()
        heapq.heappush(self._waiting, (due_ns, next(self._order), waiter))
        if self._waiting[0][2] is waiter:
            self._set(due_ns)
        waiter.get()

    def close(self) -> None:
        """Give the file descriptor back; nobody may wait any more."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
            os.close(self._fd)
            self._polls.due_ns = NEVER

    def _set(self, due_ns: int) -> None:
        assert self._libc is not None
        self._polls.due_ns = due_ns
        when = _Itimerspec(_Timespec(0, 0), _Timespec(due_ns // _NS, due_ns % _NS))
        self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, ctypes.byref(when), None)

    def _on_timer(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # it was set anew after it had fired
        self._ring()

    def _ring(self) -> None:
        self._polls.due_ns = NEVER
        while self._waiting and self._waiting[0][0] <= time.monotonic_ns():
            heapq.heappop(self._waiting)[2].switch(None)
        if self._waiting:
            self._set(self._waiting[0][0])
