"""Are clean runs valid every time, and faults of the generator caught every time? Run: python -m benchmarks.verdicts

Prints a line for each run, and how many of each kind came out as they should. Exits with 1 where one did not.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path

import msgspec
import psutil

from benchmarks.accuracy.stalls import blocked
from benchmarks.machine import machine
from loadtest.analysis.selftest import Level
from loadtest.experiment.disturbance import Process, hogs, meanwhile, stopping
from loadtest.experiment.trial import Trial, attempt

SECONDS = 5.0
ANSWERS = ("--ttft", "200ms", "--gap", "20ms", "--chunks", "30")
CLEAN = Trial(100, "60/60s", SECONDS, ANSWERS)
BLOCKED = blocked(30, 16.7)
HOGS = 9


def starve(process: Process, over: threading.Event) -> None:
    """Nine processes that want the generator's core leave it a tenth, while it sends."""
    core = psutil.Process(process.pid).cpu_affinity()[0]
    if not over.wait(3.0):
        with hogs(core, HOGS):
            over.wait(SECONDS)


KINDS = {
    "clean": CLEAN,
    "stopped for 100 ms twice a second": msgspec.structs.replace(CLEAN, disturb=stopping(0.1, 0.5)),
    "a tenth of a core": msgspec.structs.replace(CLEAN, message_rate="240/60s", disturb=meanwhile(starve)),
    "event loop blocked for 30 ms half of the time": msgspec.structs.replace(
        CLEAN, locustfile=BLOCKED.locustfile, environment=BLOCKED.environment
    ),
    "asked for more than it can send": msgspec.structs.replace(CLEAN, users=50, message_rate="800/1s", seconds=3.0),
}
"""Name of a kind of run to how it is made; only the first should be valid."""


def as_it_should(kind: str, level: Level) -> bool:
    """Valid where nothing is wrong with the generator, invalid where something is."""
    return level.verdict.status == ("valid" if kind == "clean" else "invalid")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=int, default=20, help="clean runs")
    parser.add_argument("--faults", type=int, default=5, help="runs of each fault")
    parser.add_argument("--json", type=Path, help="file to write the runs to")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    rows = []
    with tempfile.TemporaryDirectory(prefix="verdicts-") as scratch:
        for kind, trial in KINDS.items():
            good, wanted = 0, options.clean if kind == "clean" else options.faults
            for number in range(wanted):
                found = attempt(trial, Path(scratch) / f"{len(rows)}")
                good += as_it_should(kind, found)
                first = found.verdict.reasons[0] if found.verdict.reasons else ""
                print(f"{kind} {number + 1}: {found.verdict.status} {first}", flush=True)
                rows.append({"kind": kind, "status": found.verdict.status, "reasons": found.verdict.reasons})
            print(f"{kind}: {good} of {wanted} {'valid' if kind == 'clean' else 'caught'}", flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": machine(), "runs": rows})) + b"\n")
    wrong = [row for row in rows if row["status"] != ("valid" if row["kind"] == "clean" else "invalid")]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
