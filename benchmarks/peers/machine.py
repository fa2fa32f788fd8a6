"""The machine that a result belongs to."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path

import psutil
from msgspec import Struct

from loadtest.errors import UsageError


class Cores(Struct, frozen=True):
    """One core for the server and this program, another for the client; the same where there is but one."""

    server: int
    client: int

    @property
    def apart(self) -> bool:
        return self.server != self.client


def cores() -> Cores:
    """The first and the last core that this process may use; it goes to the server's.

    Raises:
        UsageError: this system cannot pin processes.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError(f"{platform.system()}: cannot pin processes to cores; run this on Linux")
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[0]})
    return Cores(allowed[0], allowed[-1])


def describe() -> dict[str, str | int]:
    """CPU, cores, memory and kernel."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
    }


def raise_file_limit(wanted: int) -> int:
    """Allow as many open files as needed, for this process and its children; returns how many are allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(max(wanted, soft), hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(allowed, soft)


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
