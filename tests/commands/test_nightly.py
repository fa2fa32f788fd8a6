"""`examples/nightly.sh`, as a CI job calls it: two nights from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NIGHTLY = Path(__file__).parents[2] / "examples" / "nightly.sh"


@pytest.mark.long
def test_two_nights_gather_in_a_trend_and_a_missed_objective_is_the_exit_code(start_reference_server, tmp_path):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    own = tmp_path / "bin"
    own.mkdir()
    (own / "loadtest").write_text(f'#!/bin/sh\nexec {sys.executable} -m loadtest "$@"\n')
    (own / "loadtest").chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    job = {
        "PATH": f"{own}:{clean['PATH']}",
        "PYTHONPATH": str(NIGHTLY.parents[1]),
        "LOADTEST_HOST": server.url,
        "LOADTEST_JWT_SECRET": server.secret,
    }

    def night(build, slo):
        words = ("-u", "5", "-r", "5", "-t", "4s", "--warmup", "1s", "--message-rate", "60/60s", "--rate-limit", "none")
        return subprocess.run(
            ["sh", str(NIGHTLY), "results", *words, "--slo", slo],
            env=clean | job | {"BUILD": build, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    first, second = night("b1", "delivered_ratio > 50%"), night("b2", "sent < 2")
    assert (first.returncode, second.returncode) == (0, 1), first.stdout + second.stdout
    assert second.stdout.count("trend, 2 runs: too few to find a shift in") == 1
    rows = (tmp_path / "results" / "trend.csv").read_text().splitlines()[1:]
    assert [row.split(",")[3] for row in rows] == ["b1", "b2"]
    told = (tmp_path / "summary.md").read_text()
    assert told.count("**trend, 1 run:") == told.count("**trend, 2 runs:") == 1
