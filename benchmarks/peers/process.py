"""A child process on a core of its own, and what it cost."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

PR_SET_PDEATHSIG: Final = 1
POLL_S: Final = 0.02
STOP_S: Final = 30.0


class Cost(Struct, frozen=True):
    """What a process and the children it waited for have used, seconds; `peak_rss` in bytes."""

    exit_code: int
    user_s: float
    system_s: float
    wall_s: float
    peak_rss: int

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s


class Pinned:
    """A process that runs on the given core, with its threads and children.

    Args:
        log: file for its stdout (unless `pipe`) and stderr.
    """

    def __init__(
        self,
        command: Sequence[str],
        core: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        pipe: bool = False,
    ) -> None:
        self.log = folder / "log.txt"
        with self.log.open("wb") as log:
            self._began = time.monotonic()
            self.child = subprocess.Popen(
                command,
                cwd=folder,  # not the checkout: the interpreter must find its own loadtest
                env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _settle(core),  # noqa: PLW1509 - this program has one thread
            )

    def wait(self, limit_s: float) -> Cost:
        """Wait for the end; after `limit_s` it is killed, which its exit code then tells."""
        deadline = time.monotonic() + limit_s
        while True:
            pid, status, used = os.wait4(self.child.pid, os.WNOHANG)
            if pid:
                self.child.returncode = os.waitstatus_to_exitcode(status)
                wall = time.monotonic() - self._began
                return Cost(self.child.returncode, used.ru_utime, used.ru_stime, wall, used.ru_maxrss * 1024)
            if time.monotonic() > deadline:
                os.killpg(self.child.pid, signal.SIGKILL)
            time.sleep(POLL_S)

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self._began

    @property
    def ended(self) -> bool:
        return self.child.poll() is not None

    def rss(self) -> int:
        """Resident bytes of it and its children."""
        own = psutil.Process(self.child.pid)
        return sum(process.memory_info().rss for process in (own, *own.children(recursive=True)))

    def cpu_s(self) -> float:
        """User and system seconds of it and its children so far, in the kernel's steps of 10 ms."""
        own = psutil.Process(self.child.pid)
        times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and whatever it started, by its own process group."""
        if self.ended:
            return
        with contextlib.suppress(ProcessLookupError):
            self.child.send_signal(number)
        try:
            self.child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    def complaint(self) -> str:
        """The last line that it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no output"


def _settle(core: int) -> None:
    """In the child: stay on the core, and end with the benchmark, however that ends (prctl(2))."""
    os.sched_setaffinity(0, {core})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
