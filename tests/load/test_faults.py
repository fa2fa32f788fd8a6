"""A generator that is not up to it is caught, whatever the cause; a server that stalls is not the generator's fault."""

import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing

import psutil
import pytest
from locust_command import LocustRun

from benchmarks.accuracy.stalls import blocked
from loadtest.experiment.disturbance import hogs, stopping

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="pins processes to cores")]
CORES = sorted(psutil.Process().cpu_affinity())


@pytest.fixture
def server(start_reference_server):
    """First of five chunks after 20 ms; on the last core."""
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    psutil.Process(server.pid).cpu_affinity(CORES[-1:])
    return server


@pytest.fixture
def start_run(server, tmp_path):
    """A run on the first core: 50 users of one class, one message a second each."""
    runs = []

    def start(*options, **more):
        load = ["--headless", "--only-summary", "--rate-limit", "none", "-u", "50", "-r", "50", *options]
        runs.append(LocustRun(server, tmp_path / "results", *load, "WithinLimitUser", **more))
        psutil.Process(runs[-1].process.pid).cpu_affinity(CORES[:1])
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def assert_caught(run, *words):
    assert run.end() == 3, run.output
    assert run.verdict["status"] == "invalid"
    reasons = "\n".join(run.verdict["reasons"])
    for word in words:
        assert word in reasons
    assert "--processes" in reasons
    assert "run INVALID" in run.output


def test_a_generator_that_is_stopped_for_100_ms_twice_a_second_is_caught(start_run):
    run = start_run("-t", "8s", "--message-rate", "1/1s")
    run.until_under_way(20)
    with stopping(0.1, 0.5)(run.process):
        assert_caught(run, "the load generator was the limit: loop lag p99")


def test_a_generator_that_gets_a_tenth_of_a_core_is_caught(start_run):
    """Of a core that ten want, the kernel gives each a tenth: now its loop lags most, now its sends do."""
    run = start_run("-t", "8s", "--message-rate", "4/1s")
    run.until_under_way(20)
    with hogs(CORES[0], 9):
        threading.Event().wait(5)
    assert_caught(run, "the load generator ")


def test_an_event_loop_that_is_blocked_for_30_ms_half_of_the_time_is_caught(start_run, monkeypatch):
    fault = blocked(30, 16.7)
    for name, value in fault.environment.items():
        monkeypatch.setenv(name, value)
    run = start_run("-t", "8s", "--message-rate", "1/1s", locustfile=fault.locustfile)
    assert_caught(run, "the load generator was the limit: loop lag p99")


def test_a_generator_that_is_asked_for_more_than_it_can_send_is_caught(start_run):
    run = start_run("-t", "4s", "--message-rate", "800/1s", "--reply-timeout", "3s")
    assert_caught(run, "the load generator made only")


# --- the server's fault
FROZEN_S = 6
RATE = 40
"""Messages a second of all users."""


def test_a_server_frozen_for_6_s_gets_its_load_all_the_same_and_p99_is_what_the_schedule_says(server, start_run):
    """Messages intended while the server is frozen wait for its thaw.

    With a message every 1/40 s over a window of W s, of which 6 are frozen, the slowest 1 % are those intended in the
    first W / 100 s of the freeze: the p99 is 6 s less W / 100, whatever the server does otherwise.
    """
    run = start_run("-u", "40", "-t", "22s", "--message-rate", "1/1s", "--arrivals", "constant", "--warmup", "3s")
    run.until_under_way(5 * RATE)
    frozen_ns = time.monotonic_ns()
    os.kill(server.pid, signal.SIGSTOP)
    threading.Event().wait(FROZEN_S)
    thawed_ns = time.monotonic_ns()
    os.kill(server.pid, signal.SIGCONT)
    run.end_as_its_verdict_says()
    summary = run.summary
    ack, window = summary["metrics"]["ack_delivered"], summary["run"]["window"]
    frozen_s, window_s = (thawed_ns - frozen_ns) / 1e9, window["stop_s"] - window["start_s"]
    assert ack["p99"] / 1e3 == pytest.approx(frozen_s - window_s / 100, abs=0.15)
    assert ack["unanswered"] == 0
    sent = sent_between(run, frozen_ns, thawed_ns)
    assert sent == pytest.approx(RATE * frozen_s, abs=RATE / 10)


def sent_between(run, start_ns, stop_ns):
    with closing(sqlite3.connect(run.results / "latest" / "run.db")) as db:
        query = "SELECT count(*) FROM messages WHERE sent_ns >= ? AND sent_ns < ?"
        return db.execute(query, (start_ns, stop_ns)).fetchone()[0]
