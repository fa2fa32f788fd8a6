"""The Node server of a run: started afresh for each, asked for its counts, ended with its report."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from benchmarks.peers.process import Pinned
from benchmarks.peers.work import Work
from loadtest.errors import LoadtestError, UsageError

SECRET: Final = "the-secret-of-the-benchmark-of-peers"
SOURCE: Final = Path(__file__).parent / "server"


class Counts(Struct, frozen=True):
    """What the server saw and used; `load_s` and `load_cpu_s` are from its first message to its last completion."""

    connections: int
    authenticated: int
    open: int
    messages: int
    completed: int
    frames: int
    pings: int
    load_s: float
    load_cpu_s: float
    cpu_s: float


class Backend:
    """A running server."""

    def __init__(self, process: Pinned) -> None:
        self.process = process
        assert process.child.stdout is not None
        line = process.child.stdout.readline()
        if not line:
            raise LoadtestError(f"the Node server did not start: {process.complaint()}")
        self.port = int(json.loads(line)["port"])

    def counts(self) -> Counts:
        """The counts so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10.0) as answer:
            return msgspec.json.decode(answer.read(), type=Counts)

    def stop(self) -> Counts:
        """End it; returns its last counts."""
        self.process.child.send_signal(signal.SIGTERM)
        text, _ = self.process.child.communicate(timeout=10.0)
        return msgspec.json.decode(text, type=Counts)


@contextmanager
def backend(work: Work, core: int, folder: Path) -> Iterator[Backend]:
    """A server for this work."""
    folder.mkdir()
    command = ["node", str(SOURCE / "server.js"), "--secret", SECRET, "--chunks", str(work.chunks)]
    process = Pinned([*command, "--gap-ms", str(work.gap_ms)], core, folder, pipe=True)
    try:
        yield Backend(process)
    finally:
        process.stop()


def prepare() -> dict[str, Any]:
    """Install the packages of the server; returns versions.

    Raises:
        UsageError: no Node, or npm could not install.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UsageError(f"{program}: not found; the server is Node's, install Node 18 or newer with npm")
    if not (SOURCE / "node_modules" / "ws").is_dir():
        install = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"], cwd=SOURCE, capture_output=True, text=True, check=False
        )
        if install.returncode:
            raise UsageError(f"npm ci: failed in {SOURCE.name}/: {install.stderr.strip().splitlines()[-1:]}")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    package = json.loads((SOURCE / "node_modules" / "ws" / "package.json").read_text())
    return {"node": version.removeprefix("v"), "ws": package["version"]}
