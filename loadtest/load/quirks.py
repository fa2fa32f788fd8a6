"""Where Locust needs a hand: what it leaves running, and what it does not tell."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

import gevent
import psutil
from locust.runners import MasterRunner
from locust.stats import StatsCSVFileWriter


def end_csv_writer(**_: Any) -> None:
    """End Locust's writer of `--csv` before Locust closes its files.

    Locust leaves it asleep; the exit handler that waits for workers would wake it, to a traceback about a closed file.
    """
    for held in gc.get_objects():
        if isinstance(held, gevent.Greenlet) and isinstance(_owner(held), StatsCSVFileWriter):
            held.kill()


def _owner(greenlet: gevent.Greenlet) -> object:
    return getattr(getattr(greenlet, "_run", None), "__self__", None)


def end_workers() -> None:
    """End the workers that `--processes` has just forked; left alone they would wait a minute for their master."""
    for child in psutil.Process().children():
        child.kill()


def is_of_its_own() -> bool:
    """Whether this worker was started as one, and not forked by a master of the same command line (`--processes`)."""
    return "--worker" in sys.argv or bool(os.environ.get("LOCUST_MODE_WORKER"))


def dispatch_order(runner: MasterRunner) -> list[str]:
    """Worker ids in the order in which Locust deals users out, so that user numbers have no holes."""
    dispatcher = getattr(runner, "_users_dispatcher", None)
    nodes = getattr(dispatcher, "_worker_nodes", None) or runner.clients.all
    return [node.id for node in nodes]


def ignore_signals() -> None:
    """Ctrl-C reaches the whole process group; a worker that left by itself would take its last records with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def heed_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
