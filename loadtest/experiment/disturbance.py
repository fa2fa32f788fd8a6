"""What takes time from a load generator on purpose, to see whether its verdict notices."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

Process = subprocess.Popen[Any]
Disturb = Callable[[Process], AbstractContextManager[None]]
"""Disturbs a process that leads a group of its own, until the block is left."""


def stopping(length_s: float, every_s: float) -> Disturb:
    """Stop the whole group (SIGSTOP) for `length_s`, once every `every_s`."""

    @contextmanager
    def disturb(process: Process) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=_stop_and_go, args=(process, length_s, every_s, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return disturb


def _stop_and_go(process: Process, length_s: float, every_s: float, over: threading.Event) -> None:
    while not over.wait(every_s - length_s) and process.returncode is None:
        _signal(process, signal.SIGSTOP)
        over.wait(length_s)
        _signal(process, signal.SIGCONT)


def _signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
