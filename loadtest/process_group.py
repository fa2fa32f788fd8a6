"""The end of a command with all that it has started, which a process group of its own holds together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import psutil

POLL_S: Final = 0.05


class Leader(Protocol):
    """A process that was started at the head of a session: a `Popen`, the standard library's or gevent's."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        ...


def end_group(leader: Leader, patience_s: float, sleep: Callable[[float], object] = time.sleep) -> None:
    """End a group: SIGTERM, and SIGKILL for what is left of it after `patience_s`; blocks for at most twice that.

    The leader's end is not that of the group: a wrapper, as `npm start` or `sh -c`, may well go first.

    Args:
        sleep: gevent's, where others go on meanwhile.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        _tell(leader.pid, number)
        _tell(leader.pid, signal.SIGCONT)  # what has been stopped would not hear of the other
        if _gone_within(patience_s, leader, sleep):
            return


def _gone_within(patience_s: float, leader: Leader, sleep: Callable[[float], object]) -> bool:
    deadline = time.monotonic() + patience_s
    while _goes_on(leader):
        if time.monotonic() >= deadline:
            return False
        sleep(POLL_S)
    return True


def _goes_on(leader: Leader) -> bool:
    """Whether any of a group still runs. The dead do not: in a container, nobody may ever come to bury orphans."""
    return leader.poll() is None or any(_runs(pid) for pid in psutil.pids() if _group(pid) == leader.pid)


def _runs(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _tell(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left, or only another user's, as after `sudo`
        os.killpg(group, number)
