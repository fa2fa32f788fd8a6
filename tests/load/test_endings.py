"""However a run ends, its counts are the server's own.

The riskiest part of Locust: each way to the end fires other events in another order, and with workers the last reports
are on their way meanwhile.
"""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "chat.py"
MESSAGES = 150
"""Answered messages after which a run is ended from outside."""


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


class LocustRun:
    """`locust` with every behaviour of `chat.py`, in a process group of its own."""

    def __init__(self, server, results, *options):
        self.results = results
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", server.url, "-u", "26", "-r", "26"]
        ours = ["--rate-limit", "10/2s", "--message-rate", "8/2s", "--outage-every", "2s", "--results", str(results)]
        self.process = subprocess.Popen(
            [*command, *ours, *options],
            env=os.environ | {"LOADTEST_JWT_SECRET": server.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def until(self, happened):
        """Wait until something is so; fails when the run ends or a minute passes before."""
        for _ in range(600):
            if happened():
                return
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            self.output = self.process.stdout.read()
            pytest.fail(f"locust ended early:\n{self.output}")
        pytest.fail("did not happen within a minute")

    def until_under_way(self):
        self.until(lambda: self._answered() >= MESSAGES)

    def _answered(self):
        database = self.results / "latest" / "run.db"
        if not database.exists():
            return 0
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            try:
                return db.execute("SELECT count(*) FROM messages").fetchone()[0]
            except sqlite3.OperationalError:  # the tables are not there yet
                return 0

    def sealed(self):
        return (self.results / "latest" / "summary.json").exists()

    def signal(self, number, group):
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end(self):
        """Wait for the end; returns the exit code."""
        self.output, _ = self.process.communicate(timeout=60)
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
        self.process.stdout.close()

    @property
    def summary(self):
        return json.loads((self.results / "latest" / "summary.json").read_text())


@pytest.fixture
def server(start_reference_server):
    """Answers fast, and keeps the limit that the runs declare."""
    return start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "10/2s")


@pytest.fixture
def locust_run(server, tmp_path):
    runs = []

    def start(*options):
        runs.append(LocustRun(server, tmp_path / "results", *options))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def assert_same_truth(summary, server):
    """The client cannot know what became of what it lost: the server may or may not have done it."""
    counts = summary["counts"]
    lost, cut = counts["lost"], counts["lost"] + counts["streams_interrupted"]
    assert counts["unaccounted"] == 0
    assert counts["connects"] == server["connects"]
    assert counts["auth_failures"] == server["auth_failed"] == 0
    for ours, theirs, unknown in (
        (counts["sent_on_wire"] - lost, server["messages"], lost),
        (counts["delivered"], server["delivered_acks"], lost),
        (counts["rejected"], server["rejected"], lost),
        (counts["streams_completed"], server["streams_completed"], cut),
    ):
        assert ours <= theirs <= ours + unknown
    assert counts["delivered"] > MESSAGES / 2
    assert counts["rejected"] > 0
    assert counts["reconnects"] > 0
    assert counts["dropped"] + counts["unfinished"] == counts["sent"] - counts["sent_on_wire"]


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one process", "two workers"])
@pytest.mark.parametrize(
    ("number", "group"),
    [(None, False), (signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)],
    ids=["time", "INT to the master", "INT to the group", "TERM to the master", "TERM to the group"],
)
def test_a_headless_run_ends_with_the_servers_counts(locust_run, server, processes, number, group):
    run = locust_run("--headless", "-t", "6s" if number is None else "60s", *processes)
    if number is not None:
        run.until_under_way()
        run.signal(number, group)
    assert run.end() == 0, run.output
    summary = run.summary
    assert summary["run"]["ended_by"] == {None: "time", signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}[number]
    assert_same_truth(summary, server.stop())
    assert "Traceback" not in run.output
    assert "KeyboardInterrupt" not in run.output


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one process", "two workers"])
def test_the_pages_stop_button_seals_the_run_and_the_next_one_gets_its_own_folder(locust_run, server, processes):
    port = free_port()
    run = locust_run("--autostart", "--web-host", "127.0.0.1", "--web-port", str(port), *processes)
    run.until_under_way()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/stop", b"").read()
    run.until(run.sealed)
    first = run.summary
    assert first["run"]["ended_by"] == "stop button"
    form = f"user_count=26&spawn_rate=26&host={server.url}".encode()
    run.until(lambda: b"true" in urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", form).read())
    run.until(lambda: not run.sealed())
    run.until_under_way()
    run.signal(signal.SIGTERM, group=False)
    assert run.end() == 0, run.output
    second, truth = run.summary, server.stop()
    assert len([path for path in run.results.iterdir() if path.name != "latest"]) == 2
    assert first["counts"]["connects"] + second["counts"]["connects"] == truth["connects"]
    delivered, lost = (sum(s["counts"][key] for s in (first, second)) for key in ("delivered", "lost"))
    assert delivered <= truth["delivered_acks"] <= delivered + lost


def test_a_killed_run_keeps_what_was_written_and_is_called_incomplete(locust_run):
    run = locust_run("--headless", "-t", "60s")
    run.until_under_way()
    run.signal(signal.SIGKILL, group=True)
    run.end()
    told = subprocess.run(
        [sys.executable, "-m", "loadtest", "summarize", str(run.results / "latest"), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    summary = json.loads(told.stdout)
    assert summary["counts"]["delivered"] > MESSAGES / 2
    assert summary["verdict"]["status"] != "valid"
    assert any("incomplete" in reason for reason in summary["verdict"]["reasons"])
