"""The measurements: CPU of a load, memory of held connections, and a process that holds very many."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.peers.backend import SECRET, Backend, Counts, backend
from benchmarks.peers.machine import Cores
from benchmarks.peers.process import Pinned
from benchmarks.peers.tools import TOOLS, Bench
from benchmarks.peers.work import Work
from loadtest.client.tokens import MintedTokens

RUN_LIMIT_S: Final = 120.0
OPEN_LIMIT_S: Final = 90.0
SETTLE_S: Final = 3.0
HOLD_S: Final = 30.0
"""As long as the server's heartbeat, so that exactly one ping to each connection is in it."""


class Load(Struct, frozen=True):
    """One run of one client.

    Attributes:
        cpu_s: user and system time of the client and its children, without `children_cpu_s`.
        children_cpu_s: of children that worked after the load (ours: the summary and the plots of a run).
        frames: received, by the client's own count.
        errors: why the run does not count; empty when it does.
    """

    tool: str
    work: str
    messages: int
    cpu_s: float
    user_s: float
    system_s: float
    children_cpu_s: float
    frames: int
    wall_s: float
    peak_rss: int
    server: Counts
    errors: list[str]


class Held(Struct, frozen=True):
    """Connections held.

    Attributes:
        open_s: from the start of the process until all are authenticated; None if they never were.
        idle_share: of a core, while nothing happened but the server's heartbeat; None where not measured.
        rss: bytes.
    """

    tool: str
    connections: int
    open_s: float | None
    idle_share: float | None
    rss: int
    errors: list[str]


class Measure:
    """Runs clients against servers in a temporary folder."""

    def __init__(self, bench: Bench, cores: Cores, folder: Path) -> None:
        self._bench = bench
        self._cores = cores
        self._folder = folder
        self._numbers = itertools.count()
        self._token = MintedTokens(SECRET, life_s=86400.0).token(0)

    def load(self, tool: str, work: Work) -> Load:
        """Do the work once."""
        with self._running(tool, work) as (server, client, folder):
            try:
                cost = client.wait(RUN_LIMIT_S)
            except TimeoutError as error:
                return _failed(tool, work, server.stop(), [str(error)])
            counts = server.stop()
            report = _report(folder)
            errors = _errors(work, counts, report)
            if cost.exit_code:
                errors.append(f"exit code {cost.exit_code}: {client.complaint()}")
            children = report.get("children_cpu_s", 0.0)
            return Load(
                tool=tool,
                work=work.name,
                messages=work.messages,
                cpu_s=cost.cpu_s - children,
                user_s=cost.user_s,
                system_s=cost.system_s,
                children_cpu_s=children,
                frames=int(report.get("frames", 0)),
                wall_s=cost.wall_s,
                peak_rss=cost.peak_rss,
                server=counts,
                errors=errors,
            )

    def held(self, tool: str, work: Work, hold_s: float = 0.0) -> Held:
        """Open the connections, have the work done, and hold them for `hold_s`."""
        with self._running(tool, work) as (server, client, _):
            opened = _until(client, lambda: _all_there(server, work))
            if opened is None:
                seen = server.counts()
                error = f"{seen.open} of {work.users} open, {seen.completed} answers: {client.complaint()}"
                return Held(tool, work.users, None, None, client.rss() if not client.ended else 0, [error])
            time.sleep(SETTLE_S)
            share = _share(client, hold_s) if hold_s else None
            left = server.counts().open
            errors = [] if left == work.users else [f"{left} of {work.users} open at the end"]
            return Held(tool, work.users, opened, share, client.rss(), errors)

    @contextmanager
    def _running(self, tool: str, work: Work) -> Iterator[tuple[Backend, Pinned, Path]]:
        folder = self._folder / f"{next(self._numbers):03}-{tool}"
        folder.mkdir()
        with backend(work, self._cores.server, folder / "server") as server:
            environment = work.environment(server.port, self._token) | {
                "PEERS_REPORT": str(folder / "report.json"),
                "PEERS_RESULTS": str(folder / "results"),
                "LOADTEST_RESULTS": str(folder / "results"),
            }
            client = Pinned(TOOLS[tool](self._bench, work, server.port), self._cores.client, folder, environment)
            try:
                yield server, client, folder
            finally:
                client.stop()


def _all_there(server: Backend, work: Work) -> bool:
    seen = server.counts()
    there = seen.open == work.users and seen.authenticated >= work.users
    return there and seen.completed == work.users * work.messages


def _until(client: Pinned, reached: Callable[[], bool]) -> float | None:
    """Seconds from the client's start until `reached`; None if it ended or took too long."""
    while not client.ended and client.seconds < OPEN_LIMIT_S:
        if reached():
            return client.seconds
        time.sleep(0.1)
    return None


def _share(client: Pinned, hold_s: float) -> float:
    before, began = client.cpu_s(), time.monotonic()
    time.sleep(hold_s)
    return (client.cpu_s() - before) / (time.monotonic() - began)


def _report(folder: Path) -> dict[str, float]:
    path = folder / "report.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _errors(work: Work, counts: Counts, report: dict[str, float]) -> list[str]:
    """The same messages sent, the same frames received: what is not so."""
    wanted = work.users * work.messages
    frames = 2 * counts.authenticated + wanted * work.frames_a_message
    checks = {
        "messages at the server": (counts.messages, wanted),
        "frames sent by the server": (counts.frames, frames),
        "frames received": (report.get("frames", 0), counts.frames),
        "answers completed": (report.get("completed", 0), wanted),
    }
    return [f"{seen:.0f} of {want} {name}" for name, (seen, want) in checks.items() if seen != want]


def _failed(tool: str, work: Work, counts: Counts, errors: list[str]) -> Load:
    nan = float("nan")
    return Load(tool, work.name, work.messages, nan, nan, nan, nan, 0, nan, 0, counts, errors)


def plain(value: object) -> object:
    """A record as what JSON can hold."""
    return msgspec.to_builtins(value)
