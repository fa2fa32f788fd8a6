"""What keeps the generator from its work in a cell of the grid."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadtest.experiment.disturbance import Disturb, Process, hogs, meanwhile, stopping
from loadtest.experiment.trial import SETTLE_S, SPAWN_S
from loadtest.runs.folder import DATABASE, LATEST

BLOCKED = str(Path(__file__).parent / "blocked_chat.py")


@dataclass(frozen=True)
class Stall:
    """One kind of disturbance.

    Attributes:
        name: in the table.
        disturb: from outside; None for nothing.
        locustfile: with the disturbance inside.
        environment: what the locustfile is told.
        nice: whether a busy process shares the generator's core, the generator having the lower priority.
    """

    name: str
    disturb: Disturb | None = None
    locustfile: str = "chat"
    environment: dict[str, str] = field(default_factory=dict)
    nice: bool = False

    def begin(self, folder: Path, seconds: float) -> Disturb:
        """The disturbance of one cell, given the folder of its run and its seconds of load."""
        if self.nice:
            return sharing(folder, seconds)
        return self.disturb or (lambda _process: nullcontext())


def stopped(length_ms: float, per_s: float) -> Stall:
    """The generator's processes are stopped, as a machine does that is short of memory or moved."""
    return Stall(f"stop {length_ms:g} ms {per_s:g}/s", stopping(length_ms / 1e3, 1.0 / per_s))


def blocked(length_ms: float, per_s: float) -> Stall:
    """The event loop is held up from inside, as a careless hook of a scenario does."""
    return Stall(
        f"block {length_ms:g} ms {per_s:g}/s",
        locustfile=BLOCKED,
        environment={"BLOCK_MS": f"{length_ms:g}", "BLOCKS_PER_S": f"{per_s:g}"},
    )


STALLS = (
    Stall("none"),
    stopped(2, 2),
    stopped(5, 1),
    stopped(10, 2),
    stopped(20, 0.5),
    stopped(50, 0.2),
    stopped(100, 2),
    blocked(5, 5),
    blocked(30, 1),
    Stall("nice 10, core shared", nice=True),
)


def sharing(folder: Path, seconds: float) -> Disturb:
    """While the run sends, a busy process has the generator's core too, and the generator nice 10."""

    def share(process: Process, over: threading.Event) -> None:
        while not (folder / LATEST / DATABASE).exists():  # the start and the end of a run are not to be disturbed
            if over.wait(0.05):
                return
        generator = psutil.Process(process.pid)
        generator.nice(10)
        core = generator.cpu_affinity()[0]
        generator.cpu_affinity([core])
        with hogs(core, 1):
            over.wait(SPAWN_S + SETTLE_S + seconds)

    return meanwhile(share)
