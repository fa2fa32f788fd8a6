"""Runs `--outage-command` at its moments, bounded, in the process that keeps the run folder."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

import gevent
import gevent.lock
from gevent import subprocess

from loadtest.errors import UsageError
from loadtest.model import OutageCommand
from loadtest.process_group import end_group
from loadtest.settings import Settings

SKIPPED: Final = "skipped, as the one before it still ran"
ENDING_S: Final = 2.0
"""How long what is ended may take before it is killed."""


def moments(at_s: tuple[float, ...], every_s: float | None) -> Iterator[float]:
    """When the command runs, seconds from the start of the run, ascending, each once.

    Args:
        at_s: the moments asked for.
        every_s: from one run to the next; the first is at the first moment asked for, or after this long.
    """
    rest = sorted(set(at_s))
    if every_s is None:
        yield from rest
        return
    due = rest.pop(0) if rest else every_s
    while True:
        yield due
        due += every_s
        while rest and rest[0] < due:
            yield rest.pop(0)
        if rest and rest[0] == due:
            del rest[0]


def check_moments(settings: Settings, run_time_s: float | None) -> None:
    """Refuse moments that never come.

    Raises:
        UsageError: names the option and the moment.
    """
    if settings.outage_command is None or not run_time_s:
        return
    option, at_s = "--outage-at", max(settings.outage_at, default=0.0)
    if not settings.outage_at and settings.outage_every is not None:
        option, at_s = "--outage-every", settings.outage_every
    if at_s >= run_time_s:
        raise UsageError(
            f"{option}: {at_s:g} s is not within --run-time {run_time_s:g} s, so --outage-command would not run then; "
            "shorten the one or lengthen the other"
        )


class OutageCommands:
    """The runs of one command during one run; at a moment at which the one before it still runs there is none.

    Args:
        settings: with an `outage_command`.
        began_ns: start of the run, monotonic.
        tell: given each run of the command once it is over.
    """

    def __init__(self, settings: Settings, began_ns: int, tell: Callable[[OutageCommand], None]) -> None:
        assert settings.outage_command is not None
        self._words = shlex.split(settings.outage_command)
        self._timeout_s = settings.outage_timeout
        self._moments = moments(settings.outage_at, settings.outage_every)
        self._began_ns = began_ns
        self._tell = tell
        self._starting = gevent.lock.Semaphore()
        self._greenlet = gevent.spawn(self._run_on)

    def stop(self) -> None:
        """The run is over: end what runs, and start no more; blocks for at most twice `ENDING_S`."""
        with self._starting:  # whoever is killed while it starts a process does not know it yet, and leaves it running
            self._greenlet.kill(timeout=2 * ENDING_S)

    def _run_on(self) -> None:
        over_ns = self._began_ns
        for at_s in self._moments:
            due_ns = self._began_ns + round(at_s * 1e9)
            if due_ns < over_ns:  # one outage on the heels of another is not what was asked for
                self._tell(OutageCommand(due_ns, due_ns, SKIPPED))
                continue
            gevent.sleep(max((due_ns - time.monotonic_ns()) / 1e9, 0.0))
            self._run()
            over_ns = time.monotonic_ns()

    def _run(self) -> None:
        began = time.monotonic_ns()
        with self._starting:
            process, outcome = self._started()
        try:
            if process is not None:
                outcome = _ending(process.wait(self._timeout_s))
        except subprocess.TimeoutExpired:
            outcome = "timeout"
        finally:  # a run that ends comes here by GreenletExit
            if process is not None and process.returncode is None:
                end_group(process, ENDING_S, gevent.sleep)
            self._tell(OutageCommand(began, time.monotonic_ns(), outcome))

    def _started(self) -> tuple[subprocess.Popen | None, str]:
        """The process, and what it ends by if nothing else becomes of it; none, and why."""
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),  # stdout may be read by programs
                start_new_session=True,
            )
        except FileNotFoundError:
            return None, "not found"
        except OSError as error:
            return None, error.strerror or type(error).__name__
        return process, "run ended"


def _ending(code: int) -> str:
    if code == 0:
        return "ok"
    return f"killed by signal {-code}" if code < 0 else f"exit {code}"
