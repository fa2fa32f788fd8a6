"""One run on a reference server, and what it left."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil

from loadtest.experiment.run import Load, under_way
from loadtest.experiment.server import reference_server

Watch = Callable[[Popen[bytes]], None]


@contextmanager
def two_cores() -> Iterator[None]:
    """One core for the generator, and one for the server: of more, this process takes the first and the last."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("takes two cores, one for the generator and one for the server; this process has one")
    os.sched_setaffinity(0, {cores[0], cores[-1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def summary_of(
    load: dict[str, Any],
    server: Sequence[str] = (),
    options: Sequence[str] = (),
    watch: Watch | None = None,
    *,
    own_core: bool = False,
) -> dict[str, Any]:
    """Run a load, and read its summary.

    Args:
        load: fields of `Load`, but host, options and secrets.
        server: options of `loadtest serve`.
        options: of the run.
        watch: called while the run goes on, with its process.
        own_core: whether the server keeps a core that the generator leaves to it; otherwise the generator has all.
    """
    with tempfile.TemporaryDirectory() as folder, reference_server(server) as backend:
        console = Path(folder, "console.log")
        secrets = {"LOADTEST_JWT_SECRET": backend.jwt_secret}
        if not own_core:
            psutil.Process().cpu_affinity([])  # several processes, and a server that has little to do
        ours = ("--results", folder, *options)
        started = Load(host=backend.url, options=ours, secrets=secrets, **load)
        with console.open("wb") as out, under_way(started, out) as process:
            if watch is not None:
                watch(process)
            process.wait()
        found = Path(folder, "latest", "summary.json")
        if not found.exists():
            raise SystemExit(f"the run left no summary:\n{console.read_text(errors='replace')[-2000:]}")
        summary: dict[str, Any] = json.loads(found.read_bytes())
        return summary


def cpu_s(process: Popen[bytes]) -> float:
    """CPU time that a process itself has used, without its children (proc(5), stat)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of_a_core(process: Popen[bytes], over_s: float) -> float:
    """The share of a core that a process takes from now on."""
    began, used = time.monotonic(), cpu_s(process)
    time.sleep(over_s)
    return (cpu_s(process) - used) / (time.monotonic() - began)
