"""What do a frame and a connection cost in this tool and in others? Run: python -m benchmarks.peers

All clients do the same work against the same Node server in the same run, one after another, in rounds of changing
order. CPU a frame is (CPU of the work - CPU of the same work with fewer messages) / (difference of the frames), so that
start and end are taken off; ratios are within a round, medians over the rounds.
"""

from __future__ import annotations

import argparse
import platform
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from msgspec import Struct

from benchmarks.machine import Facts, hardware
from benchmarks.peers import backend, table, tools
from benchmarks.peers.cores import cores
from benchmarks.peers.figures import CpuRow, MemoryRow, Pair, cpu_rows, memory_rows
from benchmarks.peers.measure import Held, Measure, plain
from benchmarks.peers.rounds import HOLDS, Rounds
from benchmarks.peers.targets import Target, targets
from benchmarks.peers.work import WORKS
from loadtest.errors import LoadtestError, UsageError
from loadtest.open_files import raise_file_limit

PARTS: Final = ("cpu", "memory", "hold")
MEMORY_ROUNDS: Final = 2
"""At most: memory hardly varies between rounds."""
SPARE_FILES: Final = 500


class Found(Struct, frozen=True):
    """Everything measured, and the figures made of it."""

    pairs: list[Pair]
    held: list[tuple[Held, Held]]
    hold: list[Held]

    @property
    def cpu(self) -> list[CpuRow]:
        return cpu_rows(self.pairs)

    @property
    def memory(self) -> list[MemoryRow]:
        return memory_rows(self.held)

    @property
    def targets(self) -> list[Target]:
        return targets(self.cpu, self.memory, self.hold)

    @property
    def errors(self) -> list[str]:
        rows: list[CpuRow | MemoryRow | Held] = [*self.cpu, *self.memory, *self.hold]
        return [f"{row.tool}: {error}" for row in rows for error in row.errors]


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C: leave nothing behind
    try:
        return _run(options)
    except LoadtestError as error:
        print(f"peers: error: {error}", file=sys.stderr)
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = Path(name)
        bench = tools.prepare(options.tools, options.python, folder)
        pinned = cores()
        _allow_files(options)
        about: dict[str, Any] = {
            "machine": _machine(),
            "versions": tools.versions(bench) | backend.prepare(),
            "cores": plain(pinned),
        }
        rounds = Rounds(Measure(bench, pinned, folder), options.tools, random.Random(options.seed))
        found = _measured(options, rounds)
    _print(found, about)
    if options.json:
        document = msgspec.json.encode(_document(found, about, vars(options)))  # NaN becomes null
        options.json.write_bytes(msgspec.json.format(document, indent=1) + b"\n")
    return 1 if found.errors else 0


def _machine() -> Facts:
    return hardware() | {"memory_mb": psutil.virtual_memory().total // 2**20, "machine": platform.machine()}


def _measured(options: argparse.Namespace, rounds: Rounds) -> Found:
    works = [WORKS[name] for name in options.work]
    return Found(
        pairs=rounds.cpu(works, options.rounds) if "cpu" in options.only else [],
        held=rounds.memory(min(options.rounds, MEMORY_ROUNDS)) if "memory" in options.only else [],
        hold=rounds.hold() if "hold" in options.only else [],
    )


def _print(found: Found, about: dict[str, Any]) -> None:
    print(table.facts(about["machine"]))
    print(table.facts(about["versions"]))
    pinned = about["cores"]
    print(f"server on core {pinned['server']}, clients on core {pinned['client']}")
    if found.cpu:
        print(f"\n{table.cpu(found.cpu)}", *table.remarks(found.cpu), sep="\n")
    if found.memory:
        print(f"\n{table.memory(found.memory)}")
    if found.hold:
        print(f"\n{table.hold(found.hold)}")
    print("", *found.targets, *(f"error: {error}" for error in found.errors), sep="\n")


def _document(found: Found, about: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    rows = {"cpu": found.cpu, "memory": found.memory, "hold": found.hold}
    raw = {"cpu": found.pairs, "memory": found.held}
    aims = [{"name": aim.name, "found": aim.found, "bound": aim.bound, "met": aim.met} for aim in found.targets]
    kept = {key: options[key] for key in ("rounds", "only", "work", "tools", "seed")}
    return about | {"options": kept, "targets": aims, "errors": found.errors, "rows": plain(rows), "runs": plain(raw)}


def _allow_files(options: argparse.Namespace) -> None:
    wanted = max(HOLDS.values()) + SPARE_FILES if "hold" in options.only else 2500
    allowed = raise_file_limit()
    if allowed < wanted and set(options.only) & {"memory", "hold"}:
        raise UsageError(f"--only: {allowed} open files are allowed, {wanted} needed; raise `ulimit -n`, or --only cpu")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=_count, default=5, help="of CPU; memory takes two at most, hold one")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--work", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK", help=", ".join(WORKS))
    parser.add_argument(
        *("--tools",),
        nargs="+",
        choices=tools.TOOLS,
        default=list(tools.TOOLS),
        metavar="TOOL",
        help=", ".join(tools.TOOLS),
    )
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs ours (default: this one)")
    parser.add_argument("--seed", type=int, default=1, help="of the orders")
    parser.add_argument("--json", type=Path, help="file to write everything to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
