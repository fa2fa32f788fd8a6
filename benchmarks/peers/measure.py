"""The measurements: CPU of a load, memory of held connections, and a process that holds very many."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.peers.backend import SECRET, Backend, Counts, backend
from benchmarks.peers.cores import Cores
from benchmarks.peers.others import Others
from benchmarks.peers.process import Pinned
from benchmarks.peers.tools import TOOLS, Bench
from benchmarks.peers.work import Work
from loadtest.client.tokens import MintedTokens

RUN_LIMIT_S: Final = 120.0
OPEN_LIMIT_S: Final = 90.0
SETTLE_S: Final = 3.0
INVALID_RUN: Final = 3
HOLD_S: Final = 30.0
"""As long as the server's heartbeat, so that exactly one ping to each connection is in it."""


class Report(Struct, frozen=True):
    """What a client says of itself at its end.

    Attributes:
        verdict, reasons: of ours alone, on its latencies; what the run cost is known all the same.
    """

    frames: int = 0
    completed: int = 0
    children_cpu_s: float = 0.0
    verdict: str = ""
    reasons: list[str] = []


class Load(Struct, frozen=True):
    """One run of one client; seconds and bytes.

    Attributes:
        cpu_s: of the client and its children, without `report.children_cpu_s`, which is of children that worked after
            the load (ours: the summary and the plots of a run); `user_s` and `system_s` are with them.
        others_share: what else the machine did meanwhile, share of a core.
        errors: why the run does not count; empty when it does.
    """

    tool: str
    work: str
    messages: int
    cpu_s: float
    user_s: float
    system_s: float
    wall_s: float
    peak_rss: int
    others_share: float
    report: Report
    server: Counts
    errors: list[str]

    @property
    def frames(self) -> int:
        return self.report.frames

    @property
    def children_cpu_s(self) -> float:
        return self.report.children_cpu_s


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
        others = Others()
        with self._running(tool, work) as (server, client, folder):
            cost = client.wait(RUN_LIMIT_S)
            counts, report = server.stop(), _report(folder)
            disturbed = others.share(cost.cpu_s + counts.cpu_s)
        errors = errors_of(work, counts, report)
        if cost.exit_code and not (cost.exit_code == INVALID_RUN and report.verdict == "invalid"):
            errors.append(f"exit code {cost.exit_code}: {client.complaint()}")
        return Load(
            tool=tool,
            work=work.name,
            messages=work.messages,
            cpu_s=cost.cpu_s - report.children_cpu_s,
            user_s=cost.user_s,
            system_s=cost.system_s,
            wall_s=cost.wall_s,
            peak_rss=cost.peak_rss,
            others_share=disturbed,
            report=report,
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


def _report(folder: Path) -> Report:
    path = folder / "report.json"
    return msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else Report()


def errors_of(work: Work, counts: Counts, report: Report) -> list[str]:
    """The same messages sent, the same frames received: what is not so."""
    wanted = work.users * work.messages
    frames = 2 * counts.authenticated + wanted * work.frames_a_message
    checks = {
        "messages at the server": (counts.messages, wanted),
        "frames sent by the server": (counts.frames, frames),
        "frames received": (report.frames, counts.frames),
        "answers completed": (report.completed, wanted),
    }
    return [f"{seen} of {want} {name}" for name, (seen, want) in checks.items() if seen != want]


def plain(value: object) -> object:
    """A record as what JSON can hold."""
    return msgspec.to_builtins(value)
