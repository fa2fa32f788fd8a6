"""A disk that is full while a run goes on: the run ends as it was to end, and waits for what is on its way."""

import signal
import sys

import psutil
import pytest
from locust_command import LocustRun

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="limits another process")]


@pytest.fixture
def server(start_reference_server):
    """Answers take two seconds each."""
    return start_reference_server("--ttft", "1s", "--gap", "250ms", "--chunks", "5", "--rate-limit", "10/60s")


@pytest.fixture
def start_run(server, tmp_path):
    """A run whose disk is full from some of its first answers on."""
    runs = []

    def start(*options):
        load = ("--headless", "-u", "10", "-r", "10", "-t", "50s", "--rate-limit", "none", "--message-rate", "4/1s")
        run = LocustRun(server, tmp_path, *load, *options, "WithinLimitUser")
        runs.append(run)
        run.until_under_way(20)
        process = psutil.Process(run.process.pid)
        _, most = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (0, most))  # no file takes anything in any more
        return run

    yield start
    for run in runs:
        run.kill()


def assert_ended_in_order(run, server):
    assert run.process.returncode == 3, run.output
    assert "batches of records could not be written" in run.output
    assert "Traceback" not in run.output
    counts = server.stop()
    assert counts["streams_started"] > 0
    assert counts["streams_cancelled"] == 0, "nobody left before its answers had come"


def test_who_stops_a_run_then_waits_for_the_answers_that_are_under_way(server, start_run):
    run = start_run()
    run.signal(signal.SIGTERM, group=False)
    run.end()
    assert_ended_in_order(run, server)


def test_a_run_that_is_lost_then_is_aborted_all_the_same(server, start_run):
    run = start_run("--abort-on", "rejected >= 150")
    run.end()
    assert "aborted: rejected >= 150: " in run.output
    assert_ended_in_order(run, server)
