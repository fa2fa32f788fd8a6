"""The side of a run that is on a worker: it holds users, and its master has the run folder."""

from __future__ import annotations

import time
from typing import Any, Final

import gevent
from locust.runners import WorkerRunner

from loadtest.load.clock import clock_id
from loadtest.load.foreman import ASK, BEGIN, CLOCK, DRAIN, FINAL, NUMBER
from loadtest.load.numbers import Numbers, Share
from loadtest.load.options import check_host, read_settings
from loadtest.load.plugin.checks import check_run, checked
from loadtest.load.plugin.post import Post
from loadtest.load.plugin.reports import FIELD, encoded
from loadtest.load.plugin.user_classes import people_of
from loadtest.load.process import Process
from loadtest.load.questions import Questions
from loadtest.load.quirks import heed_signals, ignore_signals, is_of_its_own, on_signals
from loadtest.load.reach import read_endpoint
from loadtest.load.sockets import check_files, check_ports, check_sources, local_ports
from loadtest.settings import Settings

LEAVE_S: Final = 10.0
"""How long a worker that is told to end waits for open replies: Kubernetes kills it 30 s after it told it."""


class WorkerSide:
    """Holds at most one run at a time.

    Args:
        files: that the process may open.
        sources: addresses to connect from, as this worker's own command line has them.
        siblings: processes of that command line, this one included: they share the ports of the machine.
    """

    def __init__(self, runner: WorkerRunner, files: int, sources: list[str] | None, siblings: int) -> None:
        self._runner = runner
        self._files = files
        self._sources = sources
        self._siblings = siblings
        self._post = Post()
        self._process: Process | None = None
        self._draining = False
        self._questions = Questions(lambda question: runner.send_message(ASK, {"question": question}))
        runner.register_message(BEGIN, self._on_begin)
        runner.register_message(DRAIN, self._on_drain, concurrent=True)
        runner.register_message(NUMBER, self._on_number)
        runner.register_message(CLOCK, self._on_clock)

    def check(self, environment: Any, starts_now: bool) -> None:
        """See `listeners.Side.check`."""
        if is_of_its_own():  # the other options and the host are known only when the run starts
            check_sources(read_settings(environment.parsed_options).source_addresses)
            return
        settings, people = checked(environment)
        if starts_now:
            check_run(environment, settings, people)

    # --- a run --------------------------------------------------------------------------------------------------------
    def begin(self, environment: Any) -> None:
        """See `listeners.Side.begin`."""
        self._draining = False
        self._process = None
        url = check_host(environment.host)
        environment.parsed_options.source_addresses = self._sources  # the master's are of another machine
        settings = read_settings(environment.parsed_options)
        people = people_of(environment, settings, self._post.of)
        endpoint = read_endpoint(url, settings)
        if is_of_its_own():
            self._check_sockets(settings)
            on_signals(lambda: gevent.spawn(self._leave))
        else:
            ignore_signals()
        numbers = Numbers(Share(*self._post.share), self._questions.ask)
        self._process = Process(self._post.name, endpoint, settings, people, numbers, environment.events.request)
        self._process.start()
        environment.loadtest_process = self._process

    def refuse(self, _environment: Any) -> None:
        """See `listeners.Side.refuse`."""
        gevent.spawn(self._runner.quit)

    def drain(self, _environment: Any) -> None:
        """See `listeners.Side.drain`."""
        if self._process is not None and not self._draining:  # the master is gone, or never asked
            self._draining = True
            self._process.drain(lambda: True)

    def end(self, environment: Any) -> None:
        """See `listeners.Side.end`."""
        # ours is None from its last report on; of a worker that is told to quit before any run there is neither
        process: Process | None = getattr(environment, "loadtest_process", None)
        if process is not None:
            process.close()
        self._process = environment.loadtest_process = None
        heed_signals()

    def report(self, data: dict[str, Any]) -> None:
        """Put the records since the last report into Locust's report to the master."""
        if self._process is not None:
            data[FIELD] = encoded(self._process)

    def _check_sockets(self, settings: Settings) -> None:
        """Of a worker of another machine, which knows of no processes there but those of its command line."""
        here = self._post.users_of(self._siblings)
        if self._post.users is not None and here is not None:
            check_files(self._post.users, self._post.of, self._files)
            check_ports(here, settings.source_addresses, local_ports())

    def _leave(self) -> None:
        """This worker is told to end: its records go first."""
        process = self._process
        if process is not None and not self._draining:
            self._draining = True
            until = time.monotonic() + LEAVE_S
            process.drain(lambda: time.monotonic() > until)
            self._runner.send_message(FINAL, {"batches": encoded(process)})
            self._process = None
        self._runner.quit()

    # --- what the master tells ----------------------------------------------------------------------------------------
    def _on_begin(self, msg: Any, **_: Any) -> None:
        self._post = Post(**msg.data)

    def _on_drain(self, **_: Any) -> None:
        process = self._process
        if process is None:
            self._runner.send_message(FINAL, {"batches": []})
            return
        if not self._draining:
            self._draining = True
            process.drain(lambda: False)
            self._runner.send_message(FINAL, {"batches": encoded(process)})
            self._process = None

    def _on_number(self, msg: Any, **_: Any) -> None:
        self._questions.answer(msg.data["question"], msg.data["number"])

    def _on_clock(self, msg: Any, **_: Any) -> None:
        answer = {"asked_ns": msg.data["asked_ns"], "read_ns": time.monotonic_ns(), "clock": clock_id()}
        self._runner.send_message(CLOCK, answer)
