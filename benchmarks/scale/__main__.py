"""How far one machine goes with several worker processes.

`python -m benchmarks.scale`: a short form, about two minutes; `--full` is the one with the figures of the
README. `--only held merged agree guide` picks parts, and leaves the others in the file of `--json` as they are. Says of
each aim whether it was reached; exits with 1 where one was not.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.scale import aims, guide
from benchmarks.scale.figures import agree, held, merged

PARTS = ("held", "merged", "agree", "guide")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="18,000 connections, 5,000 records a second, longer runs")
    parser.add_argument("--connections", type=int, help="to hold, in place of 2,000 or 18,000")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    parts = {
        "held": lambda: held(options.connections or (aims.HELD if options.full else 2_000), 40 if options.full else 10),
        "merged": lambda: merged(aims.MERGED_PER_S, 40 if options.full else 16),
        "agree": lambda: agree(*((5, 10) if options.full else (3, 5))),
        "guide": lambda: guide.guide(guide.FULL if options.full else guide.SHORT, 30 if options.full else 10),
    }
    figures = _kept(options.json) | {"machine": machine()}
    missed = False
    for name in options.only:
        figures[name] = parts[name]()
        if name != "guide":  # which prints a table
            print(f"{name}: {json.dumps(figures[name], indent=1)}", flush=True)
        for aim in aims.OF[name](figures[name]):
            print(f"{name}: {aim}", flush=True)
            missed = missed or not aim.reached
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


def _kept(path: Path | None) -> dict[str, Any]:
    """What the file has already."""
    return json.loads(path.read_bytes()) if path is not None and path.exists() else {}


if __name__ == "__main__":
    sys.exit(main())
