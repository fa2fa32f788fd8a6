"""One run of Locust as a subprocess. `import locust` patches the process that does it, so ours never does."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

from msgspec import Struct

import loadtest
from loadtest.errors import UsageError
from loadtest.process_group import end_group
from loadtest.settings import CONSOLE_ENV

LOOPBACK: Final = "127.0.0.1"
STOP_TIMEOUT_S: Final = 5.0
"""How long a run that is broken off may take to write what it has."""


class Load(Struct, frozen=True):
    """What one run puts on a backend.

    Attributes:
        host: address of the backend.
        users: number of virtual users.
        spawn_rate: users started a second.
        run_time: seconds; Locust takes whole ones, so a part of one becomes a whole.
        processes: worker processes; 0 for one process that does all.
        locustfile: path, or the name of one that we bring.
        classes: user classes to run; all where empty.
        options: further command-line words, without secrets.
        secrets: environment variables.
    """

    host: str
    users: int
    spawn_rate: float
    run_time: float
    processes: int = 0
    locustfile: str = "chat"
    classes: Sequence[str] = ()
    options: Sequence[str] = ()
    secrets: Mapping[str, str] = {}


def run(load: Load) -> int:
    """Run to the end; signals are passed on, so that Ctrl-C ends the run and not its bookkeeping.

    Returns:
        The exit code of the run.

    Raises:
        UsageError: there is no such locustfile.
    """
    process = _start(load, None, os.environ)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)  # Locust knows no SIGHUP

    before = {number: signal.signal(number, pass_on) for number in endings()}
    try:
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def endings() -> list[signal.Signals]:
    """The signals that end what a command started: in sessions of its own, it would go on without it. SIGHUP is none
    under `nohup`."""
    kept = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if kept else [signal.SIGHUP])]


@contextmanager
def under_way(load: Load, console: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """A run that somebody else waits for; whoever leaves the block early ends it, with all that it started.

    Args:
        console: a file that takes what the run prints.

    Raises:
        UsageError: there is no such locustfile.
    """
    process = _start(load, console, {name: value for name, value in os.environ.items() if name not in _NOT_FOR_PARTS})
    try:
        yield process
    finally:
        if process.poll() is None:  # a run that has ended sees to its workers itself
            end_group(process, STOP_TIMEOUT_S)


_NOT_FOR_PARTS: Final = ("LOADTEST_SLO", "LOADTEST_ABORT_ON", "GITHUB_STEP_SUMMARY")
"""Variables that are about what a person asked for, and not about each of the runs that it takes."""


def _start(load: Load, console: BinaryIO | None, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _command(load),
        env={**environment, CONSOLE_ENV: "1", **load.secrets},
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=console,
        start_new_session=True,
    )


def locustfile(name: str) -> Path:
    """A locustfile by path, or by the name of one that comes with the package.

    Raises:
        UsageError: there is none.
    """
    package = Path(loadtest.__file__).parent
    for path in (Path(name), package / "locustfiles" / f"{name}.py", package.parent / "locustfiles" / f"{name}.py"):
        if path.is_file():
            return path
    raise UsageError(f"--locustfile: there is no {name}; give a path, or chat")


def _command(load: Load) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(locustfile(load.locustfile)), "--headless", "--only-summary"]
    command += ["--exit-code-on-error", "0"]  # what a run has to be is said by its objectives, as to `gate`
    command += ["--loglevel", "WARNING", "--host", load.host]
    command += ["-u", str(load.users), "-r", f"{load.spawn_rate:g}", "-t", f"{math.ceil(load.run_time)}s"]
    if load.processes:
        command += ["--processes", str(load.processes), *_master_options()]
    return [*command, *load.options, *load.classes]


def _master_options() -> list[str]:
    """Where workers of this machine find their master: on a port of its own, so that runs can go on side by side."""
    with closing(socket.create_server((LOOPBACK, 0))) as listener:
        port = str(listener.getsockname()[1])
    return [
        f"--master-bind-host={LOOPBACK}",
        f"--master-bind-port={port}",
        f"--master-host={LOOPBACK}",
        f"--master-port={port}",
    ]
