"""Which clock a process counts by: the monotonic clock is shared by all processes of one system, and by no others."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path
from typing import Final

from msgspec import Struct

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""New at each boot, the same in all containers of a system (Linux, random(4))."""
TIME_NAMESPACE: Final = Path("/proc/self/ns/time")
"""Within one system, clocks of two time namespaces have origins of their own (Linux, time_namespaces(7))."""
DRIFT: Final = 1e-4
"""How far two clocks that are kept by NTP drift apart at most, as a share of the time that passes."""


def clock_id(boot_id: Path = BOOT_ID, time_namespace: Path = TIME_NAMESPACE) -> str:
    """The same for two processes whose monotonic clocks are the same; names no machine."""
    try:
        boot = boot_id.read_text().strip()
    except OSError:
        boot = platform.node()
    with contextlib.suppress(OSError):  # a system without any
        boot += os.readlink(time_namespace)
    return hashlib.sha256(boot.encode()).hexdigest()[:12]


class Reading(Struct, frozen=True):
    """Another process's clock, read by it between our question and the arrival of its answer; all monotonic ns."""

    asked_ns: int
    read_ns: int
    """By its clock."""
    answered_ns: int

    @property
    def offset_ns(self) -> int:
        """What makes an instant of its clock one of ours: as if its answer came half way."""
        return (self.asked_ns + self.answered_ns) // 2 - self.read_ns

    def bound_ns(self, now_ns: int) -> int:
        """How far at most the offset is from the truth: half of the round trip, and more as the clocks drift."""
        return (self.answered_ns - self.asked_ns + 1) // 2 + round((now_ns - self.answered_ns) * DRIFT)


class WorkerClock:
    """What has to be added to a worker's instants; 0 until its clock is known to be another."""

    def __init__(self) -> None:
        self._reading: Reading | None = None

    @property
    def offset_ns(self) -> int:
        return 0 if self._reading is None else self._reading.offset_ns

    @property
    def bound_ns(self) -> int:
        """How far the offset is from the truth at most, when it was read; 0 where the clock is ours."""
        return 0 if self._reading is None else self._reading.bound_ns(self._reading.answered_ns)

    def read(self, reading: Reading) -> None:
        """Keep the better reading, of this and the last one as it has aged."""
        now_ns = reading.answered_ns
        if self._reading is None or reading.bound_ns(now_ns) <= self._reading.bound_ns(now_ns):
            self._reading = reading
