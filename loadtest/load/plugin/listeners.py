"""Listens to Locust's events, and passes them on to the side of a run that this process is: a worker's, or the head's.

`test_stopping` drains, `test_stop` seals, and `quitting` makes sure that both have happened.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import gevent
import locust
from locust.runners import WorkerRunner

from loadtest.errors import UsageError
from loadtest.garbage import collect_rarely
from loadtest.load.options import add_options
from loadtest.load.plugin.head_side import HeadSide
from loadtest.load.plugin.reports import FIELD
from loadtest.load.plugin.worker_side import WorkerSide
from loadtest.load.quirks import end_csv_writer, end_workers, forget_seconds, hold_messages
from loadtest.open_files import raise_file_limit
from loadtest.settings import CONSOLE_ENV

logger = logging.getLogger("loadtest")


class Side(Protocol):
    """What each side does in its own way; at most one run at a time."""

    def check(self, environment: Any, starts_now: bool) -> None:
        """Check what can be checked before anything starts; raises UsageError."""

    def begin(self, environment: Any) -> None:
        """A run begins: its folder, and its process where this one holds users. Raises UsageError."""

    def refuse(self, environment: Any) -> None:
        """A run could not begin: end it."""

    def drain(self, environment: Any) -> None:
        """Stop sending, wait for open replies, get every last record; blocks the greenlet that ends the run."""

    def end(self, environment: Any) -> None:
        """The run is over: seal its folder."""


class Plugin:
    """The listeners of one process."""

    def __init__(self) -> None:
        self._head: HeadSide | None = None
        self._worker: WorkerSide | None = None
        self._take_messages: Callable[[], None] = lambda: None

    def register(self, events: Any) -> None:
        """Listen to Locust's global events."""
        self._take_messages = hold_messages()
        events.init_command_line_parser.add_listener(self.on_parser)
        events.init.add_listener(self.on_init)
        events.test_start.add_listener(self.on_test_start)
        events.spawning_complete.add_listener(self.on_spawning_complete)
        events.test_stopping.add_listener(self.on_test_stopping)
        events.test_stop.add_listener(self.on_test_stop)
        events.worker_connect.add_listener(self.on_worker_connect)
        events.report_to_master.add_listener(self.on_report_to_master)
        events.worker_report.add_listener(self.on_worker_report)

    # --- before the run -----------------------------------------------------------------------------------------------
    def on_parser(self, parser: Any, **_: Any) -> None:
        add_options(parser)

    def on_init(self, environment: Any, runner: Any, **_: Any) -> None:
        """Take the side of this process, and check what can be checked; leave with 2 where it cannot work."""
        # registered behind Locust's own listener, and so called before it: `quitting` fires in reverse
        environment.events.quitting.add_listener(self.on_quitting)
        environment.events.quit.add_listener(end_csv_writer)
        inspect.stack()  # Locust does so when a run ends: 30 to 60 ms the first time, and nobody is served meanwhile
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)  # Ctrl-C ends a run: nothing to print a traceback for
        options = environment.parsed_options
        side = self._take_side(runner, options)
        if os.environ.get(CONSOLE_ENV):
            logging.getLogger("locust.stats_logger").setLevel(logging.CRITICAL)
        try:
            side.check(environment, starts_now=bool(options.headless or options.autostart))
        except Exception as error:  # noqa: BLE001 - Locust would log any other, and load without us
            if self._head is not None:
                print(f"loadtest: error: {_told(error)}", file=sys.stderr, flush=True)
                end_workers()
            sys.exit(UsageError.exit_code)
        if self._head is not None:
            gevent.spawn(forget_seconds, environment)

    def _take_side(self, runner: Any, options: Any) -> Side:
        files = raise_file_limit()
        collect_rarely()
        if isinstance(runner, WorkerRunner):
            self._worker = WorkerSide(runner, files, options.source_addresses, options.processes or 1)
            self._take_messages()
            return self._worker
        self._head = HeadSide(runner, files)
        return self._head

    @property
    def _side(self) -> Side | None:
        """None before `init`: a worker's first report to its master may be earlier."""
        return self._head or self._worker

    # --- the run ------------------------------------------------------------------------------------------------------
    def on_test_start(self, environment: Any, **_: Any) -> None:
        environment.loadtest_process = None
        if (side := self._side) is None:
            return
        try:
            side.begin(environment)
        except Exception as error:  # noqa: BLE001 - mostly from the page: the command line's has been checked
            logger.error("error: %s", _told(error))
            side.refuse(environment)

    def on_spawning_complete(self, **_: Any) -> None:
        if self._head is not None:
            self._head.on_spawned()

    def on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self._head is not None:
            self._head.on_worker(client_id)

    def on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        if self._worker is not None:
            self._worker.report(data)

    def on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if self._head is not None:
            self._head.on_report(client_id, data.pop(FIELD, ()))

    # --- the end ------------------------------------------------------------------------------------------------------
    def on_test_stopping(self, environment: Any, **_: Any) -> None:
        if (side := self._side) is not None:
            side.drain(environment)

    def on_test_stop(self, environment: Any, **_: Any) -> None:
        if (side := self._side) is not None:
            side.end(environment)

    def on_quitting(self, environment: Any, **_: Any) -> None:
        if self._head is not None and environment.runner is not None:
            self._head.quit(environment)


@functools.cache
def register() -> None:
    """Listen to Locust's global events, once a process however many locustfiles ask for it."""
    Plugin().register(locust.events)


def _told(error: Exception) -> str:
    """What kept a run from starting; of what nobody foresaw kind and place alone, since its text may hold secrets."""
    if isinstance(error, UsageError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} in line {place.lineno} of {place.filename}, before the run"
