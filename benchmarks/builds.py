"""Does `loadtest ab` keep its promises on real runs? Run: python -m benchmarks.builds

Two reference servers of which one waits 15 % longer before the first token must be told apart, and so must two of which
one acks 10 % later; a build that is given under two names must not be said to have regressed or improved: exits with 1
where one is judged wrong. Each takes some six minutes, all of it forty on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.commanded import commanded
from benchmarks.machine import machine

SERVE = f"{sys.executable} -m loadtest serve --port 0 --rate-limit none --gap 10ms --chunks 10"
BASE = f"{SERVE} --ttft 200ms"
SLOWER = f"{SERVE} --ttft 230ms"
AGAIN = f"{BASE} --listen 127.0.0.1"  # the default: the same build, under another name
LOAD = ("-u", "50", "-r", "25", "--warmup", "3s", "--message-rate", "30/60s", "--rate-limit", "none", "--pause", "1s")
ACKS = f"{BASE} --fault ack-late:20ms"
LATER_ACKS = f"{BASE} --fault ack-late:22ms"


@dataclass(frozen=True, slots=True)
class Planned:
    """One experiment, before it is run.

    Attributes:
        right: verdicts that would be right.
    """

    name: str
    base: str
    candidate: str
    right: tuple[str, ...]


PLAN = (
    Planned("first token 15 % later", BASE, SLOWER, ("regressed",)),
    *(Planned(f"the same build, {number}", BASE, AGAIN, ("equivalent", "inconclusive")) for number in range(1, 6)),
    Planned("acks 10 % later", ACKS, LATER_ACKS, ("regressed",)),
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """One `ab`.

    Attributes:
        gates: by key, verdict, ratio and its 95 % interval.
        seconds: that all of it took.
    """

    name: str
    verdict: str
    gates: dict[str, tuple[str, float, tuple[float, float] | None]]
    notes: list[str]
    seconds: float


def experiment(planned: Planned, seed: int, options: argparse.Namespace) -> Experiment:
    """Run one, in a folder that is not kept.

    Raises:
        SystemExit: it could not be run; its own line says why.
    """
    began = time.monotonic()
    with TemporaryDirectory() as results:
        words = ("--base-command", planned.base, "--candidate-command", planned.candidate, "--results", results)
        size = ("--seed", str(seed), "--pairs", str(options.pairs), "-t", options.run_time, "--format", "json")
        code, printed = commanded(("ab", *words, *LOAD, *size))
    if code not in (0, 1):
        sys.exit(code)
    found = json.loads(printed)
    gates = {key: (c["verdict"], c["ratio"], c["ci95"]) for key, c in found["metrics"].items() if c["gated"]}
    return Experiment(planned.name, found["verdict"], gates, found["notes"], round(time.monotonic() - began, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--run-time", default="15s")
    parser.add_argument("--json", help="file to write the table to")
    parser.add_argument("--only", default="", metavar="TEXT", help="the experiments whose name has it; the others stay")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leave nothing behind
    file = Path(options.json) if options.json else None
    rows = kept(file, options) if file is not None and options.only else {}
    for seed, planned in enumerate(PLAN, 1):
        if options.only in planned.name:
            row = experiment(planned, seed, options)
            changes = ", ".join(f"{key} {100 * (ratio - 1):+.1f} %" for key, (_, ratio, _) in row.gates.items())
            print(f"{row.name:24}{row.verdict:14}{row.seconds:>7.0f} s  {changes}", flush=True)
            rows[row.name] = asdict(row)
    if file is not None:
        found = [rows[planned.name] for planned in PLAN if planned.name in rows]
        content = {"machine": machine(), "pairs": options.pairs, "run_time": options.run_time, "experiments": found}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return int(any(rows[each.name]["verdict"] not in each.right for each in PLAN if each.name in rows))


def kept(file: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What an earlier run of the same size on the same machine found, by name.

    Raises:
        SystemExit: it was of another size or machine, with which nothing is mixed.
    """
    if not file.exists():
        return {}
    before = json.loads(file.read_text(encoding="utf-8"))
    if (before["machine"], before["pairs"], before["run_time"]) != (machine(), options.pairs, options.run_time):
        sys.exit(f"--only: {file} is of another machine, day or size; measure all of it, or name another file")
    return {each["name"]: each for each in before["experiments"]}


if __name__ == "__main__":
    sys.exit(main())
