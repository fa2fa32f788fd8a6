"""`loadtest ab` on two builds that it starts itself: one of them takes three times as long to its first token."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from loadtest.experiment.build import listens

SERVE = f"{sys.executable} -m loadtest serve --port 0 --rate-limit none --gap 2ms --chunks 5 --ttft"


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_slower_build_is_told_from_runs_that_alternate_and_leaves_nothing_running(tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "loadtest", "ab", "--results", str(tmp_path), "--pairs", "2", "--pause", "0s"),
            *("--base-command", f"{SERVE} 30ms", "--candidate-command", f"{SERVE} 90ms"),
            *("-u", "10", "-r", "10", "-t", "5s", "--warmup", "1s", "--message-rate", "60/60s", "--rate-limit", "none"),
            *("--gate", "ttft.p50", "--format", "json", "--force"),  # a busy machine is no matter here
        ],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 1, done.stderr
    (folder,) = tmp_path.glob("ab-*")
    assert json.loads(done.stdout) == json.loads((folder / "comparison.json").read_text())
    ttft = json.loads(done.stdout)["metrics"]["ttft.p50"]
    assert (ttft["verdict"], ttft["pairs"]) == ("regressed", 2)
    assert 2.5 < ttft["ratio"] < 3.5

    state = json.loads((folder / "ab.json").read_text())
    began = {}
    for pair in state["done"]:
        for side in ("base", "candidate"):
            run = folder / side / pair[side]
            with closing(sqlite3.connect(run / "run.db")) as db:
                facts = json.loads(db.execute("SELECT value FROM run WHERE key = 'info'").fetchone()[0])
            assert (facts["seed"], facts["labels"]) == (pair["pair"], {"pair": str(pair["pair"]), "side": side})
            printed = (folder / "logs" / f"{pair['pair']:02}-{side}-build.txt").read_text()
            assert facts["host"] in printed
            assert not listens(facts["host"])
            began[facts["started_ns"]] = (pair["pair"], side)
    order = [began[at] for at in sorted(began)]
    planned = [("base", "candidate") if first else ("candidate", "base") for first in state["plan"]["base_first"]]
    assert order == [(pair, side) for pair, sides in enumerate(planned, 1) for side in sides]
    assert {"report.html", "shift.png"} <= {path.name for path in folder.iterdir()}
