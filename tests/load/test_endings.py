"""However a run ends, its counts are the server's own.

The riskiest part of Locust: each way to the end fires other events in another order, and with workers the last reports
are on their way meanwhile.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from locust_command import LocustRun
from real_servers import unused_port

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "chat.py"
MESSAGES = 150
"""Answered messages after which a run is ended from outside."""


@pytest.fixture
def server(start_reference_server):
    """Answers fast, and keeps the limit that the runs declare."""
    return start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "10/2s")


@pytest.fixture
def locust_run(server, tmp_path):
    runs = []

    def start(*options):
        ours = ("-u", "26", "-r", "26", "--rate-limit", "10/2s", "--message-rate", "8/2s", "--loss-every", "2s")
        runs.append(LocustRun(server, tmp_path / "results", *ours, *options))
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
    assert summary["notices"] == [], "a sound run"
    assert counts["dropped"] + counts["unfinished"] == counts["sent"] - counts["sent_on_wire"]


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["one process", "two workers"])
@pytest.mark.parametrize(
    ("number", "group"),
    [
        (None, False),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.long),
        (signal.SIGINT, True),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.long),
    ],
    ids=["time", "INT to the master", "INT to the group", "TERM to the master", "TERM to the group"],
)
def test_a_headless_run_ends_with_the_servers_counts(locust_run, server, processes, number, group):
    run = locust_run("--headless", "-t", "6s" if number is None else "60s", *processes)
    if number is not None:
        run.until_under_way(MESSAGES)
        run.signal(number, group)
    run.end_as_its_verdict_says()
    summary = run.summary
    assert summary["run"]["missing_processes"] == []
    assert summary["run"]["ended_by"] == {None: "time", signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}[number]
    assert_same_truth(summary, server.stop())
    assert "Traceback" not in run.output
    assert "KeyboardInterrupt" not in run.output


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_the_pages_stop_button_seals_the_run_and_the_next_one_gets_its_own_folder(locust_run, server, processes):
    port = unused_port()
    run = locust_run("--autostart", "--web-host", "127.0.0.1", "--web-port", str(port), *processes)
    run.until_under_way(MESSAGES)
    urllib.request.urlopen(f"http://127.0.0.1:{port}/stop", b"").read()
    run.until(run.sealed)
    first = run.summary
    assert first["run"]["ended_by"] == "stop button"
    form = f"user_count=26&spawn_rate=26&host={server.url}".encode()
    run.until(lambda: b"true" in urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", form).read())
    run.until(lambda: not run.sealed())
    run.until_under_way(MESSAGES)
    run.signal(signal.SIGTERM, group=False)
    run.end_as_its_verdict_says(first)
    second, truth = run.summary, server.stop()
    assert len(folders_of(run)) == 2
    assert first["counts"]["connects"] + second["counts"]["connects"] == truth["connects"]
    delivered, lost = (sum(s["counts"][key] for s in (first, second)) for key in ("delivered", "lost"))
    assert delivered <= truth["delivered_acks"] <= delivered + lost


def open_timers(run):
    """Of all processes of a run."""
    main, timers = psutil.Process(run.process.pid), 0
    for process in (main, *main.children(recursive=True)):
        for file in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                timers += os.readlink(file) == "anon_inode:[timerfd]"
    return timers


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has timers that are files")
@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_a_run_that_the_page_starts_takes_the_place_of_the_one_before_and_not_more(locust_run, server, processes):
    port = unused_port()
    run = locust_run("--autostart", "--web-host", "127.0.0.1", "--web-port", str(port), *processes)
    run.until_under_way(10)
    first = open_timers(run)
    assert first > 0
    urllib.request.urlopen(f"http://127.0.0.1:{port}/stop", b"").read()
    run.until(run.sealed)
    form = f"user_count=26&spawn_rate=26&host={server.url}".encode()
    run.until(lambda: b"true" in urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", form).read())
    run.until(lambda: len(folders_of(run)) == 2)
    run.until_under_way(10)
    assert open_timers(run) == first
    run.signal(signal.SIGTERM, group=False)
    run.end()


def folders_of(run):
    return sorted(path for path in run.results.iterdir() if path.name != "latest")


def finishing(run):
    return any("finish" in child.cmdline() for child in psutil.Process(run.process.pid).children())


def test_a_run_that_the_page_starts_while_the_last_one_is_sealed_loses_nothing(locust_run, server):
    port = unused_port()
    run = locust_run("--autostart", "--web-host", "127.0.0.1", "--web-port", str(port))
    run.until_under_way(10)
    threading.Thread(target=urllib.request.urlopen, args=(f"http://127.0.0.1:{port}/stop", b""), daemon=True).start()
    run.until(lambda: finishing(run))
    form = f"user_count=26&spawn_rate=26&host={server.url}".encode()
    assert b"true" in urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", form).read()
    run.until(lambda: len(folders_of(run)) == 2 and not finishing(run))
    run.until_under_way(MESSAGES)  # more than the second run can have had before the first was sealed
    run.signal(signal.SIGTERM, group=False)
    run.end()
    first, second = (json.loads((folder / "summary.json").read_bytes()) for folder in folders_of(run))
    truth = server.stop()
    assert first["counts"]["connects"] + second["counts"]["connects"] == truth["connects"]
    assert sum(each["counts"]["delivered"] for each in (first, second)) <= truth["delivered_acks"]
    assert (first["counts"]["unaccounted"], second["counts"]["unaccounted"]) == (0, 0)
    assert second["counts"]["delivered"] > MESSAGES / 2


@pytest.mark.long
def test_a_second_end_while_the_run_is_sealed_waits_for_its_numbers(locust_run):
    """As where the run time is over just after --abort-on has ended the run."""
    run = locust_run("--headless", "-t", "3s", "--reply-timeout", "1s")
    run.until(lambda: finishing(run))
    assert not run.sealed()
    run.signal(signal.SIGTERM, group=False)
    run.end_as_its_verdict_says()


def test_a_killed_run_keeps_what_was_written_and_is_called_incomplete(locust_run):
    run = locust_run("--headless", "-t", "60s")
    run.until_under_way(MESSAGES)
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
