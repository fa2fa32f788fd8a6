"""Ctrl-C, and the end of a terminal, for commands that start processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from loadtest.experiment.run import endings


@contextmanager
def one_interrupt() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end what goes on; further ones do not disturb its tidying up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in endings()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
