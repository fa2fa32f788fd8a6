"""Where Locust needs a hand: what it leaves running, and what it does not tell."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

import gevent
import gevent.event
import psutil
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import RequestStats, StatsCSVFileWriter

FORGET_EVERY_S: Final = 10.0
REMEMBERED_S: Final = 60
"""Locust's table and page show the rates of its last twelve seconds."""


def end_csv_writer(**_: Any) -> None:
    """End Locust's writer of `--csv` before Locust closes its files.

    Locust leaves it asleep; the exit handler that waits for workers would wake it, to a traceback about a closed file.
    """
    for held in gc.get_objects():
        if isinstance(held, gevent.Greenlet) and isinstance(_owner(held), StatsCSVFileWriter):
            held.kill()


def _owner(greenlet: gevent.Greenlet) -> object:
    return getattr(getattr(greenlet, "_run", None), "__self__", None)


def forget_seconds(environment: Any) -> None:
    """Drop from Locust's numbers, every now and then, what would grow with the length of a run; never returns.

    Of each second it keeps the requests and failures of each row, which only `--json` shows, and of every fifth a row
    of history, which only its page and `--html` do (locust/stats.py, `StatsEntry` and `stats_history`).
    """
    options = environment.parsed_options
    while True:
        gevent.sleep(FORGET_EVERY_S)
        if not (options.json or options.json_file):
            drop_seconds(environment.stats)
        if environment.web_ui is None and not options.html_file:
            environment.stats.history.clear()


def drop_seconds(stats: RequestStats) -> None:
    """Drop the counts of seconds that are more than `REMEMBERED_S` before the last request."""
    oldest = int(stats.last_request_timestamp or 0) - REMEMBERED_S
    for row in (stats.total, *stats.entries.values()):
        for counts in (row.num_reqs_per_sec, row.num_fail_per_sec):
            for second in [second for second in counts if second < oldest]:
                del counts[second]


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


def hold_messages() -> Callable[[], None]:
    """Have a worker take no message of its master before it is told to go on; returns what tells it.

    A worker that joins a run is sent its users while Locust still makes its runner, before any listener of `init` has
    been called (locust/runners.py, `WorkerRunner.__init__`).
    """
    ready, handle = gevent.event.Event(), WorkerRunner.handle_message

    def handle_once_ready(runner: WorkerRunner, message: Any) -> None:
        if message.type != "ack":  # what making the runner waits for
            ready.wait()
        handle(runner, message)

    WorkerRunner.handle_message = handle_once_ready  # type: ignore[method-assign,assignment]
    return ready.set  # type: ignore[no-any-return]


def end_dispatch(runner: Any) -> None:
    """Users are dealt out, and the next worker that joins or comes back may have them dealt out anew.

    Locust's dispatcher forgets to say so where a deal has changed no number (locust/dispatch.py, `_dispatcher`), and
    whoever joined after that would stay without users.
    """
    dispatcher = getattr(runner, "_users_dispatcher", None)
    if dispatcher is not None:
        dispatcher._dispatch_in_progress = False


def outlive_silence(runner: MasterRunner) -> None:
    """Have a run go on while no worker is in touch: a master whose network is away for 10 s is out of touch with all.

    Locust ends it after 4 s (locust/runners.py, `heartbeat_worker`); who is gone for good is the crew's to say.
    """
    for name in ("stop", "check_stopped"):
        setattr(runner, name, _not_by_heartbeat(getattr(runner, name)))


def _not_by_heartbeat(method: Callable[..., None]) -> Callable[..., None]:
    def unless_by_heartbeat(*args: Any, **named: Any) -> None:
        caller = getattr(gevent.getcurrent(), "_run", None)
        if getattr(caller, "__name__", "") != "heartbeat_worker":
            method(*args, **named)

    return unless_by_heartbeat


def forget_worker(runner: MasterRunner, client_id: str) -> None:
    """Have Locust forget a worker that is gone for good.

    Left to itself it does so after a minute, and then begins the whole load again from its first user
    (locust/runners.py, `heartbeat_worker`).
    """
    if client_id in runner.clients:
        del runner.clients[client_id]


def ignore_signals() -> None:
    """Ctrl-C reaches the whole process group; a worker that left by itself would take its last records with it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def on_signals(leave: Callable[[], None]) -> None:
    """What a worker of its own does when it is told to end: it is the only process that is meant."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave())


def heed_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
