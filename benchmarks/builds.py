"""Does `loadtest ab` keep its promises on real runs? Run: python benchmarks/builds.py

Two reference servers of which one waits 15 % longer before the first token must be told apart; a build that is given
under two names must not be said to have regressed or improved. Half an hour on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from machine import machine

SERVE = f"{sys.executable} -m loadtest serve --port 0 --rate-limit none --gap 10ms --chunks 10"
BASE = f"{SERVE} --ttft 200ms"
SLOWER = f"{SERVE} --ttft 230ms"
AGAIN = f"{BASE} --listen 127.0.0.1"  # the default: the same build, under another name
LOAD = ("-u", "50", "-r", "25", "--warmup", "3s", "--message-rate", "30/60s", "--rate-limit", "none", "--pause", "1s")
AGAINST_ITSELF = 5


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


def experiment(name: str, candidate: str, seed: int, options: argparse.Namespace) -> Experiment:
    """Run one, in a folder that is not kept.

    Raises:
        SystemExit: it could not be run; its own line says why.
    """
    began = time.monotonic()
    with TemporaryDirectory() as results:
        words = ("--base-command", BASE, "--candidate-command", candidate, "--seed", str(seed), "--results", results)
        size = ("--pairs", str(options.pairs), "-t", options.run_time, "--format", "json")
        done = subprocess.run(
            [sys.executable, "-m", "loadtest", "ab", *words, *LOAD, *size], stdout=subprocess.PIPE, check=False
        )
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    found = json.loads(done.stdout)
    gates = {key: (c["verdict"], c["ratio"], c["ci95"]) for key, c in found["metrics"].items() if c["gated"]}
    return Experiment(name, found["verdict"], gates, found["notes"], round(time.monotonic() - began, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--run-time", default="15s")
    parser.add_argument("--json", help="file to write the table to")
    options = parser.parse_args()
    plan = [("first token 15 % later", SLOWER), *[("the same build", AGAIN)] * AGAINST_ITSELF]
    rows = []
    for seed, (name, candidate) in enumerate(plan, 1):
        row = experiment(name, candidate, seed, options)
        changes = ", ".join(f"{key} {100 * (ratio - 1):+.1f} %" for key, (_, ratio, _) in row.gates.items())
        print(f"{row.name:24}{row.verdict:14}{row.seconds:>7.0f} s  {changes}", flush=True)
        rows.append(asdict(row))
    if options.json:
        content = {"machine": machine(), "pairs": options.pairs, "run_time": options.run_time, "experiments": rows}
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
