"""What takes time from a load generator on purpose, to see whether its verdict notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

import psutil

Process = subprocess.Popen[Any]
Disturb = Callable[[Process], AbstractContextManager[None]]
"""Disturbs a process that leads a group of its own, until the block is left."""


def meanwhile(work: Callable[[Process, threading.Event], None]) -> Disturb:
    """A disturbance that a thread makes, which is given the process, and what is set once it has to end."""

    @contextmanager
    def disturb(process: Process) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=work, args=(process, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return disturb


def stopping(length_s: float, every_s: float) -> Disturb:
    """Stop the whole group (SIGSTOP) for `length_s`, once every `every_s`."""

    def stop_and_go(process: Process, over: threading.Event) -> None:
        while not over.wait(every_s - length_s) and process.returncode is None:
            _signal(process, signal.SIGSTOP)
            over.wait(length_s)
            _signal(process, signal.SIGCONT)

    return meanwhile(stop_and_go)


def _signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextmanager
def hogs(core: int, count: int) -> Iterator[None]:
    """Processes that take all they can get of a core, until the block is left.

    Each is in a session of its own, since Linux shares processor time out by session (sched(7), autogroup).
    """
    with ExitStack() as stack:
        for _ in range(count):
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
            stack.callback(hog.wait)
            stack.callback(hog.kill)
            psutil.Process(hog.pid).cpu_affinity([core])
        yield
