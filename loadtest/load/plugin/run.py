"""One run where all its records come together: in Locust's master, or in the only process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import gevent

from loadtest.load.abort import AbortWatch
from loadtest.load.console import Progress
from loadtest.load.keeper import Keeper
from loadtest.load.notices import Facts, Notices
from loadtest.load.outage_command import OutageCommands
from loadtest.load.people import People
from loadtest.load.plan import announcement
from loadtest.load.prometheus import Exporter
from loadtest.load.server_source import source_of
from loadtest.load.server_watch import ServerWatch
from loadtest.load.shapes import Staged
from loadtest.model import SHAPE, Batch, OutageCommand, RunInfo, Step
from loadtest.objectives import Demands
from loadtest.settings import CONSOLE_ENV, ExpectStream, Settings

ABORT_CHECK_S: Final = 1.0
"""How often `--abort-on` is looked at."""


class Run:
    """Keeps the records, and shows them to whoever watches the run as it goes on.

    Args:
        keeper: of its folder.
        demands: what the run is held to.
        exporter: for Prometheus; None where nobody scrapes.
        end: ends the run.
    """

    def __init__(self, keeper: Keeper, demands: Demands, exporter: Exporter | None, end: Callable[[], None]) -> None:
        self._keeper = keeper
        self._abort = AbortWatch(demands.abort_on)
        self._exporter = exporter
        self._end = end
        self._progress: Progress | None = None
        self._notices: Notices | None = None
        self._server_watch: ServerWatch | None = None
        self._outages: OutageCommands | None = None
        self._steps = 0
        self._over = False

    @property
    def info(self) -> RunInfo:
        """The facts of the run, as known by now."""
        return self._keeper.info

    def update(self, **changes: object) -> None:
        """Replace facts of the run."""
        self._keeper.update(**changes)

    # --- its course ---------------------------------------------------------------------------------------------------
    def begin(self, environment: Any, settings: Settings, people: People, tried: Batch) -> None:
        """Begin to watch, and say what is going to happen.

        Args:
            tried: what was recorded before the run.

        Raises:
            UsageError: the server's resources cannot be read.
        """
        info = self.info
        if info.warmup_s is not None:
            self._abort.steady_from(info.started_ns + round(info.warmup_s * 1e9))
        if self._abort:
            gevent.spawn(self._abort_when_lost)
        if self._exporter is not None:
            self._exporter.begin(info)
        self._keeper.put(tried)
        server = source_of(settings.server_pid, settings.server_metrics)
        self._server_watch = None if server is None else ServerWatch(server, self._keeper.put)
        if isinstance(environment.shape_class, Staged):
            environment.shape_class.on_step = self._put_step
        streams = settings.expect_stream is not ExpectStream.NO
        tabs = settings.connections_per_user
        self._notices = Notices(Facts(info.host, info.users, streams, settings.reply_timeout, tabs))
        self._announce(environment, settings, people)
        if settings.outage_command is not None:
            self._outages = OutageCommands(settings, info.started_ns, self._on_outage_command)

    def on_spawned(self) -> None:
        """All users have been spawned."""
        if self.info.spawned_ns is None:
            self.update(spawned_ns=time.monotonic_ns())
            if self.info.warmup_s is None:
                self._abort.steady_from(time.monotonic_ns())

    def stop(self) -> None:
        """The load is over: it is not aborted any more, and there are no more outages on order."""
        self._over = True
        if self._outages is not None:
            outages, self._outages = self._outages, None
            outages.stop()

    def seal(self) -> int:
        """No record comes any more: have the folder finished; returns the run's exit code."""
        self.stop()  # where all workers were lost, nobody has
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._server_watch is not None:
            self._server_watch.stop()
        return self._keeper.seal()

    def _announce(self, environment: Any, settings: Settings, people: People) -> None:
        options = environment.parsed_options
        line = announcement(environment, self.info.users, settings, people)
        self.update(plan=line)
        print(line, file=sys.stderr, flush=True)
        if os.environ.get(CONSOLE_ENV):
            self._progress = Progress(float(options.run_time) if options.run_time else None)

    def _abort_when_lost(self) -> None:
        reason = ""
        while not reason:
            gevent.sleep(ABORT_CHECK_S)
            if self._over:
                return
            reason = self._abort.tripped(time.monotonic_ns())
        after_s = (time.monotonic_ns() - self.info.started_ns) / 1e9
        self.update(aborted=f"{reason}, {after_s:.0f} s after the start")
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{clear}aborted: {self.info.aborted}", file=sys.stderr, flush=True)
        self._end()

    # --- its records --------------------------------------------------------------------------------------------------
    def keep(self, batch: Batch) -> None:
        """Records have come."""
        self._keeper.put(batch)
        for watcher in (self._progress, self._exporter, self._abort or None):
            if watcher is not None:
                watcher.see(batch)
        for text in self._notices.see(batch) if self._notices is not None else ():
            self.say(text)

    def say(self, text: str) -> None:
        """Say what was noticed, and keep it."""
        self._keeper.notice(text)
        line = f"loadtest: notice: {text}"
        if self._progress is not None:
            self._progress.say(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _put_step(self, step: Step) -> None:
        self._keeper.put(Batch(SHAPE, self._steps, steps=[step]))
        self._steps += 1

    def _on_outage_command(self, done: OutageCommand) -> None:
        """`--outage-command` has run; one that failed made no outage, and that is said at once."""
        if self.info.ended_ns is not None:
            return
        self.update(outage_commands=[*self.info.outage_commands, done])
        if done.outcome != "ok":
            after_s = (done.began_ns - self.info.started_ns) / 1e9
            self.say(
                f"--outage-command, run {after_s:.0f} s after the start: {done.outcome}; run it by itself, and mind "
                "--outage-timeout"
            )
