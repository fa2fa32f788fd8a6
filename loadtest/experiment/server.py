"""The reference server as a subprocess, for runs without a backend of their own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psutil
from msgspec import Struct

from loadtest.errors import LoadtestError

FIRST_LINE: Final = "listening on "
STOP_TIMEOUT_S: Final = 10.0


class RunningServer(Struct, frozen=True):
    """A reference server that listens: its address, the secret that it checks tokens with, and its process."""

    url: str
    jwt_secret: str
    pid: int


@contextmanager
def reference_server(options: Sequence[str] = ()) -> Iterator[RunningServer]:
    """Start `loadtest serve` on a free port of this machine, and stop it at the end.

    Args:
        options: further options of `serve`.

    Raises:
        LoadtestError: it did not start.
    """
    secret = secrets.token_urlsafe(32)
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtest", "serve", "--port", "0", *options],
        env=os.environ | {"LOADTEST_JWT_SECRET": secret},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the load: the server must outlive the last reply
    )
    try:
        address = _address(process)
        with _cores_apart(process.pid):
            yield RunningServer(address, secret, process.pid)
    finally:
        _stop(process)


@contextmanager
def _cores_apart(server: int) -> Iterator[None]:
    """Give the server one core and this process, with all that it starts, the others, where the system can.

    On a shared core the kernel lets the server run first when a message wakes it: p99 of send lag was twice as high.
    """
    own = psutil.Process()
    cores = own.cpu_affinity() if hasattr(own, "cpu_affinity") else []
    if len(cores) < 2:
        yield
        return
    psutil.Process(server).cpu_affinity(cores[-1:])
    own.cpu_affinity(cores[:-1])
    try:
        yield
    finally:
        own.cpu_affinity(cores)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith(FIRST_LINE):
        raise LoadtestError("the reference server did not start; try `loadtest serve` by itself")
    return line.removeprefix(FIRST_LINE)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
