"""Ties a run to Locust's events: options, start, the workers' reports, the drain at the end, the exit code.

The order of Locust's events at an end differs by how it comes about (time, a signal, the page's stop button; one
process or several), and several may come at once. So each step here is safe to repeat: `test_stopping` drains,
`test_stop` seals, `quitting` makes sure that both have happened and sets the exit code.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import gevent
import gevent.event
import locust
import msgspec
from locust.runners import MasterRunner, WorkerRunner
from msgspec import Struct

from loadtest import __version__
from loadtest.client.client import ChatClient
from loadtest.client.dial import KERNEL_STAMPS
from loadtest.client.endpoint import Endpoint
from loadtest.errors import UsageError
from loadtest.load.abort import AbortWatch
from loadtest.load.clock import clock_id
from loadtest.load.console import Progress
from loadtest.load.crew import Crew
from loadtest.load.foreman import ASK, BEGIN, CLOCK, DRAIN, FINAL, NUMBER, Foreman
from loadtest.load.intruders import add_intruders
from loadtest.load.keeper import Keeper, generator_facts, public_command, utc_now
from loadtest.load.notices import Facts, Notices
from loadtest.load.numbers import Numbers, Pool, Share
from loadtest.load.options import add_options, check_host, check_results, read_objectives, read_settings
from loadtest.load.outage_command import OutageCommands, check_moments
from loadtest.load.own_login import LogIn
from loadtest.load.people import People
from loadtest.load.plan import plan
from loadtest.load.preflight import preflight
from loadtest.load.process import Process
from loadtest.load.prometheus import Exporter
from loadtest.load.questions import Questions
from loadtest.load.quirks import (
    end_csv_writer,
    end_workers,
    heed_signals,
    hold_messages,
    ignore_signals,
    is_of_its_own,
    on_signals,
    outlive_silence,
)
from loadtest.load.reach import read_endpoint, remarks
from loadtest.load.server_watch import ServerWatch, source_of
from loadtest.load.shapes import Staged
from loadtest.load.sockets import check_files, check_ports, check_sources, local_ports
from loadtest.load.users import ChatUser, chat_classes, creates, logs_in, spoken
from loadtest.model import SHAPE, Batch, OutageCommand, RunInfo, Step
from loadtest.objectives import Demands
from loadtest.open_files import raise_file_limit
from loadtest.settings import CONSOLE_ENV, ExpectStream, Settings

logger = logging.getLogger("loadtest")

FIELD: Final = "loadtest"
"""Our field in a worker's report."""
FINAL_GRACE_S: Final = 15.0
"""Beyond the reply timeout, how long the master waits for the workers' last reports."""
HURRY_S: Final = 3.0
"""The same after a second Ctrl-C."""
LEAVE_S: Final = 10.0
"""How long a worker that is told to end waits for open replies: Kubernetes kills it 30 s after it told it."""
SEAL_S: Final = 300.0
"""How long the numbers of a run may take before the process ends without them."""
PUMP_S: Final = 0.25
ABORT_CHECK_S: Final = 1.0
"""How often `--abort-on` is looked at."""


class Post(Struct, frozen=True):
    """What the master has told this worker before a run (`foreman.BEGIN`).

    Attributes:
        name: in the records.
        share: fields of its `Share` of the users.
        of: processes that there are.
        users: of all of them, at most; None where nobody knows.
    """

    name: str = "worker"
    share: tuple[int, int, int | None] = (0, 1, 0)
    of: int = 1
    users: int | None = None


_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class Plugin:
    """The listeners of one process; holds at most one run at a time."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._people: People | None = None
        self._preflight: Batch | None = None
        self._process: Process | None = None
        self._keeper: Keeper | None = None
        self._progress: Progress | None = None
        self._exporter: Exporter | None = None
        self._notices: Notices | None = None
        self._pump: gevent.Greenlet | None = None
        self._server_watch: ServerWatch | None = None
        self._steps = 0
        self._outages: OutageCommands | None = None
        self._abort = AbortWatch(())
        self._foreman: Foreman | None = None
        self._questions: Questions | None = None
        self._post = Post()
        self._take_messages: Callable[[], None] = lambda: None
        self._files = 0
        self._own_sources: list[str] | None = None
        self._drained = gevent.event.Event()
        self._draining = False
        self._sealed = gevent.event.Event()
        self._sealing = False
        self._hurry = False
        self._quitting_by: str | None = None
        self._exit_code = 0
        self._dropped_reports = 0

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
        """Check what can be checked before anything starts; leave with 2 where it cannot work."""
        # registered behind Locust's own listener, and so called before it: `quitting` fires in reverse
        environment.events.quitting.add_listener(self.on_quitting)
        environment.events.quit.add_listener(end_csv_writer)
        inspect.stack()  # Locust does so when a run ends: 30 to 60 ms the first time, and nobody is served meanwhile
        hub = gevent.get_hub()
        hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)  # Ctrl-C ends a run: nothing to print a traceback for
        options = environment.parsed_options
        if isinstance(runner, WorkerRunner):
            runner.register_message(BEGIN, self._on_begin)
            runner.register_message(DRAIN, self._on_drain, concurrent=True)
            runner.register_message(NUMBER, self._on_number)
            runner.register_message(CLOCK, _on_clock_question)
            self._take_messages()
            self._questions = Questions(lambda question: runner.send_message(ASK, {"question": question}))
        elif isinstance(runner, MasterRunner):
            runner.register_message(FINAL, self._on_final)
            runner.register_message(ASK, self._on_ask)
            runner.register_message(CLOCK, self._on_clock)
            outlive_silence(runner)
        if os.environ.get(CONSOLE_ENV):
            logging.getLogger("locust.stats_logger").setLevel(logging.CRITICAL)
        self._files = raise_file_limit()
        self._own_sources = options.source_addresses
        try:
            if isinstance(runner, WorkerRunner) and is_of_its_own():
                check_sources(read_settings(options).source_addresses)
                return  # the other options and the host are known only when the run starts
            self._check(environment, starts_now=bool(options.headless or options.autostart), runner=runner)
        except Exception as error:  # noqa: BLE001 - Locust would log any other, and load without us
            if not isinstance(runner, WorkerRunner):
                print(f"loadtest: error: {_told(error)}", file=sys.stderr, flush=True)
                end_workers()
            sys.exit(UsageError.exit_code)

    def _check(self, environment: Any, starts_now: bool, runner: Any) -> None:
        options = environment.parsed_options
        self._settings = read_settings(options)
        self._set_weights(environment, self._settings)
        if isinstance(environment.shape_class, Staged):
            environment.shape_class.check()
        self._people = _people(environment, self._settings)
        if not isinstance(runner, WorkerRunner):
            read_objectives(self._settings)
        if self._settings.prometheus_port is not None and not isinstance(runner, WorkerRunner):
            self._exporter = Exporter(self._settings.prometheus_port)
            print(f"numbers for Prometheus: {self._exporter.url}", file=sys.stderr, flush=True)
        if starts_now:
            url = check_host(environment.host)
            if options.num_users is not None and options.num_users < 1:
                raise UsageError(f"--users: {options.num_users} is no number of users; give 1 or more")
            self._people.check_users(self._settings.accounts(_most_users(environment)))
            if options.run_time and self._settings.warmup and self._settings.warmup >= options.run_time:
                raise UsageError(
                    f"--warmup: {self._settings.warmup:g} s leaves nothing of --run-time {options.run_time:g} s; "
                    "shorten the one or lengthen the other"
                )
            check_moments(self._settings, options.run_time)
            if not isinstance(runner, WorkerRunner):
                self._check_sockets(environment, self._settings)
                check_results(Path(self._settings.results))
                server = source_of(self._settings.server_pid, self._settings.server_metrics)
                if server is not None:
                    server.read()  # refused before the load, not in its middle
                self._preflight = _tried(environment, read_endpoint(url, self._settings), self._settings, self._people)

    def _check_sockets(self, environment: Any, settings: Settings) -> None:
        options, users = environment.parsed_options, _most_users(environment)
        check_sources(settings.source_addresses)
        if users is None or (options.master and not options.processes):
            return  # what the machines of its workers have, a master cannot know: they look for themselves
        check_files(users, options.processes or 1, self._files)
        check_ports(users, settings.source_addresses, local_ports())

    def _check_own_sockets(self, settings: Settings) -> None:
        """Of a worker of another machine, which knows no other processes there."""
        if self._post.users is not None:
            check_files(self._post.users, self._post.of, self._files)
            check_ports(-(-self._post.users // self._post.of), settings.source_addresses, local_ports())

    def _set_weights(self, environment: Any, settings: Settings) -> None:
        by_name = {cls.__name__: cls for cls in environment.user_classes}
        for name, weight in settings.weights.items():
            if name not in by_name:
                raise UsageError(f"--weights: no user class {name}; there are {', '.join(sorted(by_name))}")
            by_name[name].weight = weight
        add_intruders(environment, settings.bad_tokens)
        kept = [cls for cls in environment.user_classes if cls.weight > 0 or cls.fixed_count > 0]
        if not kept:
            raise UsageError("--weights: all are 0, so there would be no user; give one a weight above 0")
        if not isinstance(environment.runner, WorkerRunner):
            environment.user_classes = kept

    # --- start --------------------------------------------------------------------------------------------------------
    def on_test_start(self, environment: Any, **_: Any) -> None:
        """A run begins: its folder, and its process where this one holds users."""
        self._drained.clear()
        self._sealed.clear()
        self._draining = self._sealing = self._hurry = False
        environment.loadtest_process = self._process = None
        try:
            self._begin(environment)
        except Exception as error:  # noqa: BLE001 - mostly from the page: the command line's has been checked
            logger.error("error: %s", _told(error))
            if environment.parsed_options.headless or isinstance(environment.runner, WorkerRunner):
                self._exit_code = UsageError.exit_code
                gevent.spawn(environment.runner.quit)
            else:
                gevent.spawn(environment.runner.stop)

    def _begin(self, environment: Any) -> None:
        runner = environment.runner
        url = check_host(environment.host)
        if isinstance(runner, WorkerRunner):  # the master's are of another machine
            environment.parsed_options.source_addresses = self._own_sources
        settings = self._settings = read_settings(environment.parsed_options)
        people = self._people = _people(environment, settings, self._post.of)
        endpoint = read_endpoint(url, settings)
        if isinstance(runner, WorkerRunner):
            if is_of_its_own():
                self._check_own_sockets(settings)
                on_signals(lambda: gevent.spawn(self._leave, environment))
            else:
                ignore_signals()
            assert self._questions is not None
            numbers = Numbers(Share(*self._post.share), self._questions.ask)
            self._start_process(environment, self._post.name, endpoint, settings, people, numbers)
            return
        people.check_users(settings.accounts(_most_users(environment)))
        self._check_sockets(environment, settings)
        checked, self._preflight = self._preflight or _tried(environment, endpoint, settings, people), None
        demands = read_objectives(settings)
        self._keeper = Keeper(Path(settings.results), self._info(environment, endpoint, settings, demands))
        self._watch_for(environment, demands)
        if self._exporter is not None:
            self._exporter.begin(self._keeper.info)
        self._keeper.put(checked)
        server = source_of(settings.server_pid, settings.server_metrics)
        self._server_watch = None if server is None else ServerWatch(server, self._keeper.put)
        if isinstance(environment.shape_class, Staged):
            environment.shape_class.on_step = self._put_step
            self._steps = 0
        streams = settings.expect_stream is not ExpectStream.NO
        tabs = settings.connections_per_user
        self._notices = Notices(Facts(url, self._keeper.info.users, streams, settings.reply_timeout, tabs))
        self._announce(environment)
        if settings.outage_command is not None:
            self._outages = OutageCommands(settings, self._keeper.info.started_ns, self._on_outage_command)
        if isinstance(runner, MasterRunner):
            self._hire(environment, people)
        else:
            self._start_process(environment, "local", endpoint, settings, people, Numbers())
            self._pump = gevent.spawn(self._pump_on)

    def _start_process(
        self,
        environment: Any,
        name: str,
        endpoint: Endpoint,
        settings: Settings,
        people: People,
        numbers: Numbers,
    ) -> None:
        self._process = Process(name, endpoint, settings, people, numbers, environment.events.request)
        self._process.start()
        environment.loadtest_process = self._process

    def _hire(self, environment: Any, people: People) -> None:
        keeper, runner = self._keeper, environment.runner
        assert keeper is not None
        assert self._settings is not None
        users = None if environment.shape_class else runner.target_user_count
        crew = Crew(Pool(users, self._settings.seats(people.capacity)), self._say_notice)
        self._foreman = Foreman(
            runner,
            crew,
            keeper.info.started_ns,
            lambda workers: keeper.update(workers=workers),
            lambda: _end_run(environment),
            _most_users(environment),
        )
        self._foreman.begin()

    def on_worker_connect(self, client_id: str, **_: Any) -> None:
        """Between runs it is nothing to us: those that are there when a run begins are asked for then."""
        if self._foreman is not None:
            self._foreman.on_connect(client_id)

    def _info(self, environment: Any, endpoint: Endpoint, settings: Settings, demands: Demands) -> RunInfo:
        runner, options = environment.runner, environment.parsed_options
        limit = settings.rate_limit
        return RunInfo(
            scenario=Path(environment.locustfile or "run").stem,
            started_utc=utc_now(),
            started_ns=time.monotonic_ns(),
            tool_version=__version__,
            seed=settings.seed,
            host=endpoint.url,
            proxy=None if endpoint.proxy is None else str(endpoint.proxy),
            command=public_command(sys.argv),
            labels=settings.label,
            options=settings.public(),
            generator=generator_facts(),
            users=None if environment.shape_class else runner.target_user_count or options.num_users,
            processes=len(runner.clients) if isinstance(runner, MasterRunner) else 1,
            receive_clock="kernel" if KERNEL_STAMPS else "callback",
            limit_messages=limit.messages if limit else None,
            limit_window_s=limit.window_s if limit else None,
            reply_timeout_s=settings.reply_timeout,
            warmup_s=settings.warmup,
            expect_stream=str(settings.expect_stream),
            present_share=round(settings.present_share, 6),
            objectives=[each.text for each in demands.objectives],
            abort_on=[each.text for each in demands.abort_on],
        )

    def _announce(self, environment: Any) -> None:
        assert self._keeper is not None
        assert self._settings is not None
        options = environment.parsed_options
        run_time = float(options.run_time) if options.run_time else None
        if environment.shape_class is None:
            line = str(
                plan(
                    environment.user_classes,
                    self._keeper.info.users or 1,
                    float(options.spawn_rate or 1),
                    run_time,
                    self._settings,
                )
            )
        else:
            line = f"plan: users as the shape {type(environment.shape_class).__name__} decides"
        assert self._people is not None
        line = "\n".join(
            [
                line,
                *self._people.notes(
                    self._keeper.info.users,
                    float(options.spawn_rate or 1),
                    run_time,
                    [
                        cls.room(self._settings) * self._settings.connections_per_user
                        for cls in chat_classes(environment.user_classes)
                    ],
                ),
            ]
        )
        self._keeper.update(plan=line)
        print(line, file=sys.stderr, flush=True)
        if os.environ.get(CONSOLE_ENV):
            self._progress = Progress(run_time)

    def on_spawning_complete(self, **_: Any) -> None:
        if self._foreman is not None:
            self._foreman.on_spawned()
        if self._keeper is not None and self._keeper.info.spawned_ns is None:
            self._keeper.update(spawned_ns=time.monotonic_ns())
            if self._keeper.info.warmup_s is None:
                self._abort.steady_from(time.monotonic_ns())

    def _watch_for(self, environment: Any, demands: Demands) -> None:
        assert self._keeper is not None
        self._abort = AbortWatch(demands.abort_on)
        info = self._keeper.info
        if info.warmup_s is not None:
            self._abort.steady_from(info.started_ns + round(info.warmup_s * 1e9))
        if self._abort:
            gevent.spawn(self._abort_when_lost, environment)

    def _abort_when_lost(self, environment: Any) -> None:
        keeper, reason = self._keeper, ""
        assert keeper is not None
        while not reason:
            gevent.sleep(ABORT_CHECK_S)
            if self._keeper is not keeper or self._draining:  # over, or another run by now
                return
            reason = self._abort.tripped(time.monotonic_ns())
        after_s = (time.monotonic_ns() - keeper.info.started_ns) / 1e9
        keeper.update(aborted=f"{reason}, {after_s:.0f} s after the start")
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{clear}aborted: {keeper.info.aborted}", file=sys.stderr, flush=True)
        _end_run(environment)

    # --- records on their way -----------------------------------------------------------------------------------------
    def _pump_on(self) -> None:
        while True:
            gevent.sleep(PUMP_S)
            self._pump_once()

    def _pump_once(self) -> None:
        if self._process is not None:
            for batch in self._process.recorder.take_all():
                self._keep(batch)

    def _keep(self, batch: Batch) -> None:
        if self._keeper is None:
            self._dropped_reports += 1
            logger.error("%d reports came after the end of their run and are in no run folder", self._dropped_reports)
            return
        self._keeper.put(batch)
        for watcher in (self._progress, self._exporter, self._abort or None):
            if watcher is not None:
                watcher.see(batch)
        for text in self._notices.see(batch) if self._notices is not None else ():
            self._say_notice(text)

    def _on_outage_command(self, done: OutageCommand) -> None:
        """`--outage-command` has run; one that failed made no outage, and that is said at once."""
        if self._keeper is None:
            return
        self._keeper.update(outage_commands=[*self._keeper.info.outage_commands, done])
        if done.outcome != "ok":
            after_s = (done.began_ns - self._keeper.info.started_ns) / 1e9
            self._say_notice(
                f"--outage-command, run {after_s:.0f} s after the start: {done.outcome}; run it by itself, and mind "
                "--outage-timeout"
            )

    def _say_notice(self, text: str) -> None:
        assert self._keeper is not None
        self._keeper.notice(text)
        line = f"loadtest: notice: {text}"
        if self._progress is not None:
            self._progress.say(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _put_step(self, step: Step) -> None:
        if self._keeper is not None:
            self._keeper.put(Batch(SHAPE, self._steps, steps=[step]))
            self._steps += 1

    def on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        if self._process is not None:
            data[FIELD] = _encoded(self._process)

    def on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        self._keep_all(client_id, data.pop(FIELD, ()))

    def _keep_all(self, client_id: str, packed: Iterable[bytes]) -> None:
        """What a worker has sent."""
        for batch in map(_decode_batch, packed):
            self._keep(batch if self._foreman is None else self._foreman.on_our_clock(client_id, batch))

    # --- the end ------------------------------------------------------------------------------------------------------
    def on_test_stopping(self, environment: Any, **_: Any) -> None:
        """Stop sending, wait for open replies, get every last record; blocks the greenlet that ends the run."""
        if isinstance(environment.runner, WorkerRunner):
            if self._process is not None and not self._draining:  # the master is gone, or never asked
                self._draining = True
                self._process.drain(lambda: True)
            return
        if self._keeper is None:
            return
        if self._draining:
            self._wait(self._drained, self._drain_limit())
            return
        self._draining = True
        if isinstance(environment.shape_class, Staged):
            environment.shape_class.leave()
        if self._outages is not None:
            outages, self._outages = self._outages, None
            outages.stop()
        self._keeper.update(stopped_ns=time.monotonic_ns(), ended_by=self._ended_by(environment))
        try:
            self._drain_all()
        except KeyboardInterrupt:  # once more: do not wait for replies, but lose nothing
            self._hurry = True
            self._drain_all()
        self._drained.set()

    def _drain_all(self) -> None:
        assert self._keeper is not None
        if self._foreman is not None:
            missing = self._foreman.drain(HURRY_S if self._hurry else self._drain_limit())
            self._keeper.update(missing_processes=missing)
        elif self._process is not None:
            self._process.drain(lambda: self._hurry)
            if self._pump is not None:
                self._pump.kill()
            self._pump_once()

    def _drain_limit(self) -> float:
        assert self._settings is not None
        return self._settings.reply_timeout + FINAL_GRACE_S

    def _wait(self, event: gevent.event.Event, limit_s: float) -> None:
        try:
            event.wait(limit_s)
        except KeyboardInterrupt:
            self._hurry = True
            event.wait(limit_s)

    def _on_begin(self, msg: Any, **_: Any) -> None:
        self._post = Post(**msg.data)

    def _on_number(self, msg: Any, **_: Any) -> None:
        assert self._questions is not None
        self._questions.answer(msg.data["question"], msg.data["number"])

    def _on_ask(self, msg: Any, **_: Any) -> None:
        if self._foreman is not None:
            self._foreman.on_ask(msg.node_id, msg.data["question"])

    def _on_clock(self, msg: Any, **_: Any) -> None:
        if self._foreman is not None:
            self._foreman.on_clock(msg.node_id, **msg.data)

    def _leave(self, environment: Any) -> None:
        """This worker is told to end: its records go first."""
        process = self._process
        if process is not None and not self._draining:
            self._draining = True
            until = time.monotonic() + LEAVE_S
            process.drain(lambda: time.monotonic() > until)
            environment.runner.send_message(FINAL, {"batches": _encoded(process)})
            self._process = None
        environment.runner.quit()

    def _on_drain(self, environment: Any, **_: Any) -> None:
        process = self._process
        if process is None:
            environment.runner.send_message(FINAL, {"batches": []})
            return
        if not self._draining:
            self._draining = True
            process.drain(lambda: False)
            environment.runner.send_message(FINAL, {"batches": _encoded(process)})
            self._process = None

    def _on_final(self, msg: Any, **_: Any) -> None:
        self._keep_all(msg.node_id, msg.data["batches"])
        if self._foreman is not None:
            self._foreman.on_final(msg.node_id)

    def on_test_stop(self, environment: Any, **_: Any) -> None:
        """Seal the run folder."""
        if isinstance(environment.runner, WorkerRunner):
            self._process = environment.loadtest_process = None
            heed_signals()
            return
        if self._keeper is None:
            return
        if self._sealing:
            self._wait(self._sealed, SEAL_S)
            return
        self._sealing = True
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._server_watch is not None:
            self._server_watch.stop()
        self._exit_code = max(self._exit_code, self._keeper.seal())
        self._keeper = self._process = self._foreman = environment.loadtest_process = None
        self._sealed.set()

    def on_quitting(self, environment: Any, **_: Any) -> None:
        """Whatever the way here: the run is drained and sealed, and its exit code is the process's."""
        if isinstance(environment.runner, WorkerRunner) or environment.runner is None:
            return
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
        assert self._keeper is not None
        assert self._foreman is not None
        if self._keeper.info.stopped_ns is None:
            self._keeper.update(stopped_ns=time.monotonic_ns(), ended_by=self._ended_by(environment))
        self._keeper.update(missing_processes=self._foreman.drain(0.0))
        self._sealing = False  # whoever had begun it has been ended by Locust
        self.on_test_stop(environment)

    def _ended_by(self, environment: Any) -> str:
        options, info = environment.parsed_options, self._keeper.info if self._keeper is not None else None
        if info is not None and info.aborted:
            return "abort"
        if self._foreman is not None and self._foreman.deserted:
            return "workers gone"
        if self._quitting_by is not None:
            return self._quitting_by
        elapsed = (time.monotonic_ns() - info.started_ns) / 1e9 if info else 0.0
        if options.run_time and elapsed >= float(options.run_time) - 0.5:
            return "time"
        return "shape" if environment.shape_class else "stop button"


def _on_clock_question(environment: Any, msg: Any, **_: Any) -> None:
    answer = {"asked_ns": msg.data["asked_ns"], "read_ns": time.monotonic_ns(), "clock": clock_id()}
    environment.runner.send_message(CLOCK, answer)


def _end_run(environment: Any) -> None:
    (environment.runner.quit if environment.parsed_options.headless else environment.runner.stop)()


def _most_users(environment: Any) -> int | None:
    """Users that a run comes to at most; None where a shape decides that says nothing of it."""
    shape = environment.shape_class
    if shape is not None:
        return shape.most_users if isinstance(shape, Staged) else None
    return environment.runner.target_user_count or environment.parsed_options.num_users or 1


def _people(environment: Any, settings: Settings, processes: int = 1) -> People:
    classes = _classes(environment)
    return People(settings, processes, bool(classes) and all(logs_in(cls) for cls in classes))


def _tried(environment: Any, endpoint: Endpoint, settings: Settings, people: People) -> Batch:
    """The connection before a run, behind what is to be known before anything is sent."""
    for remark in remarks(endpoint, settings):
        print(remark, file=sys.stderr, flush=True)
    return preflight(
        endpoint,
        settings,
        people,
        _a_log_in(environment, settings),
        spoken(environment.user_classes),
        _a_converse(environment, settings),
    )


def _a_log_in(environment: Any, settings: Settings) -> LogIn | None:
    """How the preflight logs in: as the first user of a class that brings a `log_in`, where there is one."""
    return next((_first(cls, environment, settings).log_in for cls in _classes(environment) if logs_in(cls)), None)


def _a_converse(environment: Any, settings: Settings) -> Callable[[ChatClient], str | None] | None:
    """How it creates a conversation: as the first user of a class that does, where there is one."""
    user = next((_first(cls, environment, settings) for cls in _classes(environment) if creates(cls)), None)
    if user is None:
        return None

    def converse(client: ChatClient) -> str | None:
        user.client = client
        return user.create_conversation()

    return converse


def _first(cls: type[ChatUser], environment: Any, settings: Settings) -> ChatUser:
    user = cls(environment)
    user.number, user.settings = 0, settings
    return user


def _classes(environment: Any) -> list[type[ChatUser]]:
    """Those that there will be users of."""
    return [cls for cls in chat_classes(environment.user_classes) if cls.weight > 0 or cls.fixed_count > 0]


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


def _encoded(process: Process) -> list[bytes]:
    return [msgspec.msgpack.encode(batch) for batch in process.recorder.take_all()]
