"""The side of a run that keeps its folder: Locust's master, or the only process, which holds the users, too.

The order of Locust's events at an end differs by how it comes about (time, a signal, the page's stop button; one
process or several), and several may come at once. So each step here is safe to repeat: `drain` and `end` do their work
once, and `quit` makes sure that both have happened and sets the exit code.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import gevent
import gevent.event
from locust.runners import LocalRunner, MasterRunner

from loadtest.client.endpoint import Endpoint
from loadtest.errors import UsageError
from loadtest.load.crew import Crew
from loadtest.load.foreman import ASK, CLOCK, FINAL, Foreman
from loadtest.load.keeper import Keeper
from loadtest.load.numbers import Numbers, Pool
from loadtest.load.options import check_host, check_results, read_objectives, read_settings
from loadtest.load.people import People
from loadtest.load.plugin.checks import check_run, check_sockets, checked
from loadtest.load.plugin.reports import decoded
from loadtest.load.plugin.run import Run
from loadtest.load.plugin.run_info import run_info
from loadtest.load.plugin.trial import tried
from loadtest.load.plugin.user_classes import most_users, people_of
from loadtest.load.process import Process
from loadtest.load.prometheus import Exporter
from loadtest.load.quirks import outlive_silence
from loadtest.load.reach import read_endpoint
from loadtest.load.server_source import source_of
from loadtest.load.shapes import Staged
from loadtest.model import Batch
from loadtest.settings import Settings

logger = logging.getLogger("loadtest")

FINAL_GRACE_S: Final = 15.0
"""Beyond the reply timeout, how long the master waits for the workers' last reports."""
HURRY_S: Final = 3.0
"""The same after a second Ctrl-C."""
SEAL_S: Final = 300.0
"""How long the numbers of a run may take before the process ends without them."""
PUMP_S: Final = 0.25


class HeadSide:
    """Has at most one run at a time.

    Args:
        files: that a process may open.
    """

    def __init__(self, runner: MasterRunner | LocalRunner, files: int) -> None:
        self._files = files
        self._exporter: Exporter | None = None
        self._tried: Batch | None = None
        self._run: Run | None = None
        self._process: Process | None = None
        self._pump: gevent.Greenlet | None = None
        self._foreman: Foreman | None = None
        self._drained = gevent.event.Event()
        self._draining = False
        self._sealed = gevent.event.Event()
        self._sealing = False
        self._hurry = False
        self._quitting_by: str | None = None
        self._exit_code = 0
        self._dropped_reports = 0
        if isinstance(runner, MasterRunner):
            runner.register_message(FINAL, self._on_final)
            runner.register_message(ASK, self._on_ask)
            runner.register_message(CLOCK, self._on_clock)
            outlive_silence(runner)

    def check(self, environment: Any, starts_now: bool) -> None:
        """See `listeners.Side.check`."""
        settings, people = checked(environment)
        read_objectives(settings)
        if settings.prometheus_port is not None:
            self._exporter = Exporter(settings.prometheus_port)
            print(f"numbers for Prometheus: {self._exporter.url}", file=sys.stderr, flush=True)
        if starts_now:
            url = check_run(environment, settings, people)
            check_sockets(environment, settings, self._files)
            check_results(Path(settings.results))
            server = source_of(settings.server_pid, settings.server_metrics)
            if server is not None:
                server.read()  # refused before the load, not in its middle
            self._tried = tried(environment, read_endpoint(url, settings), settings, people)

    # --- start --------------------------------------------------------------------------------------------------------
    def begin(self, environment: Any) -> None:
        """See `listeners.Side.begin`."""
        if self._draining:  # started from Locust's page, where the last run may still be ending
            self._wait(self._sealed, SEAL_S)
        self._drained.clear()
        self._sealed.clear()
        self._draining = self._sealing = self._hurry = False
        self._process = None
        url = check_host(environment.host)
        settings = read_settings(environment.parsed_options)
        people = people_of(environment, settings)
        endpoint = read_endpoint(url, settings)
        people.check_users(settings.accounts(most_users(environment)))
        check_sockets(environment, settings, self._files)
        connection, self._tried = self._tried or tried(environment, endpoint, settings, people), None
        demands = read_objectives(settings)
        runner = environment.runner
        processes = len(runner.clients) if isinstance(runner, MasterRunner) else 1
        info = run_info(environment, endpoint, settings, demands, processes)
        keeper = Keeper(Path(settings.results), info)
        run = self._run = Run(keeper, demands, self._exporter, lambda: _end_run(environment))
        run.begin(environment, settings, people, connection)
        if isinstance(runner, MasterRunner):
            self._hire(environment, run, settings, people)
        else:
            self._start_process(environment, endpoint, settings, people)

    def _start_process(self, environment: Any, endpoint: Endpoint, settings: Settings, people: People) -> None:
        self._process = Process("local", endpoint, settings, people, Numbers(), environment.events.request)
        self._process.start()
        environment.loadtest_process = self._process
        self._pump = gevent.spawn(self._pump_on)

    def _hire(self, environment: Any, run: Run, settings: Settings, people: People) -> None:
        runner = environment.runner
        users = None if environment.shape_class else runner.target_user_count
        crew = Crew(Pool(users, settings.seats(people.capacity)), run.say)
        self._foreman = Foreman(
            runner,
            crew,
            run.info.started_ns,
            lambda workers: run.update(workers=workers),
            lambda: _end_run(environment),
            most_users(environment),
        )
        self._foreman.begin()

    def refuse(self, environment: Any) -> None:
        """See `listeners.Side.refuse`."""
        if environment.parsed_options.headless:
            self._exit_code = UsageError.exit_code
            gevent.spawn(environment.runner.quit)
        else:
            gevent.spawn(environment.runner.stop)

    def on_spawned(self) -> None:
        """All users have been spawned."""
        if self._foreman is not None:
            self._foreman.on_spawned()
        if self._run is not None:
            self._run.on_spawned()

    # --- the workers, and records on their way ------------------------------------------------------------------------
    def on_worker(self, client_id: str) -> None:
        """A worker has connected. Between runs it is nothing to us: those that are there then are asked for."""
        if self._foreman is not None:
            self._foreman.on_connect(client_id)

    def on_report(self, client_id: str, packed: Iterable[bytes]) -> None:
        """A worker has sent records."""
        for batch in map(decoded, packed):
            self._keep(batch if self._foreman is None else self._foreman.on_our_clock(client_id, batch))

    def _on_final(self, msg: Any, **_: Any) -> None:
        self.on_report(msg.node_id, msg.data["batches"])
        if self._foreman is not None:
            self._foreman.on_final(msg.node_id)

    def _on_ask(self, msg: Any, **_: Any) -> None:
        if self._foreman is not None:
            self._foreman.on_ask(msg.node_id, msg.data["question"])

    def _on_clock(self, msg: Any, **_: Any) -> None:
        if self._foreman is not None:
            self._foreman.on_clock(msg.node_id, **msg.data)

    def _pump_on(self) -> None:
        while True:
            gevent.sleep(PUMP_S)
            self._pump_once()

    def _pump_once(self) -> None:
        if self._process is not None:
            for batch in self._process.recorder.take_all():
                self._keep(batch)

    def _keep(self, batch: Batch) -> None:
        if self._run is None:
            self._dropped_reports += 1
            logger.error("%d reports came after the end of their run and are in no run folder", self._dropped_reports)
            return
        self._run.keep(batch)

    # --- the end ------------------------------------------------------------------------------------------------------
    def drain(self, environment: Any) -> None:
        """See `listeners.Side.drain`."""
        if self._run is None:
            return
        if self._draining:
            self._wait(self._drained, _drain_limit(self._run))
            return
        self._draining = True
        self._stop_load(environment, self._run)
        try:
            self._drain_all(self._run)
        except KeyboardInterrupt:  # once more: do not wait for replies, but lose nothing
            self._hurry = True
            self._drain_all(self._run)
        self._drained.set()

    def _stop_load(self, environment: Any, run: Run) -> None:
        if isinstance(environment.shape_class, Staged):
            environment.shape_class.leave()
        run.stop()
        run.update(stopped_ns=time.monotonic_ns(), ended_by=self._ended_by(environment, run))

    def _drain_all(self, run: Run) -> None:
        if self._foreman is not None:
            missing = self._foreman.drain(HURRY_S if self._hurry else _drain_limit(run))
            run.update(missing_processes=missing)
        elif self._process is not None:
            self._process.drain(lambda: self._hurry)
            if self._pump is not None:
                self._pump.kill()
            self._pump_once()

    def _wait(self, event: gevent.event.Event, limit_s: float) -> None:
        try:
            event.wait(limit_s)
        except KeyboardInterrupt:
            self._hurry = True
            event.wait(limit_s)

    def end(self, environment: Any) -> None:
        """See `listeners.Side.end`."""
        if self._run is None:
            return
        if self._sealing:
            self._wait(self._sealed, SEAL_S)
            return
        self._sealing = True
        self._exit_code = max(self._exit_code, self._run.seal())
        if self._process is not None:
            self._process.close()
        self._run = self._process = self._foreman = environment.loadtest_process = None
        self._sealed.set()

    def quit(self, environment: Any) -> None:
        """Whatever the way here: the run is drained and sealed, and its exit code is the process's."""
        main = gevent.getcurrent().parent is None
        self._quitting_by = "interrupt" if main else "terminate"
        environment.runner.quit()
        if self._foreman is not None and self._foreman.alone:
            self._end_alone(environment)
        elif self._sealing:  # by who ended the run first: to Locust it is stopped by then, and nobody waits
            self._wait(self._sealed, SEAL_S)
        if self._exit_code:
            environment.process_exit_code = self._exit_code

    def _end_alone(self, environment: Any) -> None:
        """Seal a run whose workers are all lost: Locust takes it for stopped, and fires neither of its events."""
        assert self._run is not None
        assert self._foreman is not None
        if self._run.info.stopped_ns is None:
            self._stop_load(environment, self._run)
        self._run.update(missing_processes=self._foreman.drain(0.0))
        self._sealing = False  # whoever had begun it has been ended by Locust
        self.end(environment)

    def _ended_by(self, environment: Any, run: Run) -> str:
        options, info = environment.parsed_options, run.info
        if info.aborted:
            return "abort"
        if self._foreman is not None and self._foreman.deserted:
            return "workers gone"
        if self._quitting_by is not None:
            return self._quitting_by
        elapsed = (time.monotonic_ns() - info.started_ns) / 1e9
        if options.run_time and elapsed >= float(options.run_time) - 0.5:
            return "time"
        return "shape" if environment.shape_class else "stop button"


def _drain_limit(run: Run) -> float:
    return run.info.reply_timeout_s + FINAL_GRACE_S


def _end_run(environment: Any) -> None:
    (environment.runner.quit if environment.parsed_options.headless else environment.runner.stop)()
