"""What Locust leaves running does not show, and what it would keep does not grow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from locust_command import LocustRun

EAGER = Path(__file__).with_name("csv_writer.py")
LONG_RUN = """
import json
from types import SimpleNamespace

import gevent
from locust.stats import RequestStats

from loadtest.load import quirks

quirks.FORGET_EVERY_S = 0.001

def numbers():
    stats = RequestStats()
    stats.log_request("WS", "ack", 3, 0)
    stats.log_error("WS", "ack", "late")
    last = int(stats.last_request_timestamp)
    stats.total.start_time = last - 1199
    for counts in by_second(stats):
        counts.clear()
        counts.update({last - second: 1 for second in range(1200)})
    stats.history = [{}] * 240
    return stats

def by_second(stats):
    rows = stats.total, stats.get("ack", "WS")
    return [counts for row in rows for counts in (row.num_reqs_per_sec, row.num_fail_per_sec)]

def kept(page=None, **options):
    chosen = {"json": False, "json_file": None, "html_file": None} | options
    stats = numbers()
    environment = SimpleNamespace(stats=stats, web_ui=page, parsed_options=SimpleNamespace(**chosen))
    forgetting = gevent.spawn(quirks.forget_seconds, environment)
    gevent.sleep(0.05)
    forgetting.kill()
    rates = stats.total.current_rps, stats.total.current_fail_per_sec
    return {"seconds": [len(counts) for counts in by_second(stats)], "history": len(stats.history), "rates": rates}

print(json.dumps({
    "headless": kept(),
    "page": kept(page="a page"),
    "--html": kept(html_file="report.html"),
    "--json": kept(json=True),
    "--json-file": kept(json_file="stats"),
}))
"""


@pytest.fixture(scope="module")
def kept():
    told = subprocess.run([sys.executable, "-c", LONG_RUN], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(told.stdout)


def test_the_writer_of_csv_files_ends_before_its_files_do(reference_server, tmp_path):
    """With workers, an exit handler sleeps after Locust has closed the files: an eager writer would wake up in it."""
    run = LocustRun(
        reference_server, tmp_path / "results",
        *("--headless", "--processes", "1", "-u", "1", "-t", "1s", "--csv", str(tmp_path / "stats")),
        locustfile=EAGER,
    )  # fmt: skip
    try:
        run.end()
    finally:
        run.kill()
    assert "Traceback" not in run.output, run.output
    assert (tmp_path / "stats_stats.csv").read_text().startswith("Type,Name")


@pytest.mark.parametrize(
    ("shown", "seconds", "history"),
    [
        ("headless", 61, 0),
        ("page", 61, 240),
        ("--html", 61, 240),
        ("--json", 1200, 0),
        ("--json-file", 1200, 0),
    ],
)  # fmt: skip
def test_of_a_long_run_locust_keeps_a_minute_and_what_somebody_is_to_see(kept, shown, seconds, history):
    assert kept[shown] == {"seconds": [seconds] * 4, "history": history, "rates": [1.0, 1.0]}
