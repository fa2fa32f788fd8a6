"""A build of the backend that is started for one run: its command, where it listens, and its end."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from loadtest.errors import UsageError
from loadtest.process_group import end_group

DEFAULT_URL: Final = "ws://127.0.0.1:5000/ws"
"""Where a build is looked for that names no address."""
_ADDRESS: Final = re.compile(rb"wss?://[^\s\"'<>]+")
_PORTS: Final = {"ws": 80, "wss": 443}
_POLL_S: Final = 0.1
_STOP_S: Final = 10.0
"""How long a build, with all that it started, may take to end before it is killed."""


@contextmanager
def started(
    option: str, command: str, url: str | None, environment: Mapping[str, str], log: Path, patience_s: float
) -> Iterator[str]:
    """Start a build, wait until it listens, and end it with all that it started.

    Args:
        option: names it in errors, such as `--base-command`.
        command: words as a shell would split them; no shell runs it.
        url: where it will listen; None for the first ws:// address that it prints, or else `DEFAULT_URL`, unless
            something listened there before.
        environment: further variables.
        log: file for what it prints.

    Yields:
        Its address.

    Raises:
        UsageError: it cannot be started, ended, or did not listen in time; or something else listens there already.
    """
    if url and listens(url):
        raise UsageError(
            f"{option}: something listens at {url} already; stop it, or name another address with --host or in "
            "LOADTEST_HOST"
        )
    default = None if listens(DEFAULT_URL) else DEFAULT_URL  # whoever is there already is not this build
    with log.open("wb") as output:
        process = _start(option, command, environment, output)
        try:
            yield _address(option, command, process, lambda: url or _printed(log) or default, log, patience_s)
        finally:
            end_group(process, _STOP_S)


def listens(url: str) -> bool:
    """Whether the host of an address takes connections."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)), 1.0):
            return True
    except OSError:
        return False


def words(option: str, command: str) -> list[str]:
    """A command in words.

    Raises:
        UsageError: there are none, or a quote is open.
    """
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{option}: {command!r} cannot be split into words: {error}; check its quotes") from None
    if not found:
        raise UsageError(f"{option}: is empty; give the command that starts the build")
    return found


def _start(option: str, command: str, environment: Mapping[str, str], output: BinaryIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words(option, command),
            env=os.environ | dict(environment) | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the load, and its end is for the whole group
        )
    except OSError as error:
        raise UsageError(f"{option}: {command!r} cannot be started: {error.strerror}; check its path") from None


def _address(
    option: str,
    command: str,
    process: subprocess.Popen[bytes],
    place: Callable[[], str | None],
    log: Path,
    patience_s: float,
) -> str:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UsageError(
                f"{option}: {command!r} ended with {process.returncode} before it listened; {log} has its output"
            )
        at = place()
        if at and listens(at):
            return at
        time.sleep(_POLL_S)
    where = place() or f"an address that it printed, while something else was at {DEFAULT_URL} before it,"
    raise UsageError(
        f"{option}: {command!r} did not listen at {where} within {patience_s:g} s; give its address with --host, or "
        "more time with --ready-timeout"
    )


def _printed(log: Path) -> str | None:
    """The first address in what a build printed so far."""
    found = _ADDRESS.search(log.read_bytes())
    return found[0].decode(errors="replace").rstrip(".,;)") if found else None
