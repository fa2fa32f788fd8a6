"""A run whose backend is restarted by `--outage-command`, and one whose backend never comes back."""

import json
import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from locust_command import LocustRun

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
LOCUSTFILE = LOCUSTFILES / "reconnect.py"
LOAD = ("--headless", "--only-summary", "--rate-limit", "none", "--message-rate", "4/1s", "--reply-timeout", "3s")


def order(url, fault):
    """A command that orders a fault of a reference server."""
    code = f"import urllib.request; urllib.request.urlopen({url + '/faults'!r}, b{fault!r}).read()"
    return shlex.join([sys.executable, "-c", code])


@pytest.fixture
def server(start_reference_server):
    """Takes the tokens of the preflight and of 20 users, refuses the next three, and takes all others."""
    server = start_reference_server(
        *("--control-port", "0", "--rate-limit", "none", "--ttft", "20ms", "--gap", "2ms", "--chunks", "5"),
        *("--fault", "auth-refuse:from=22,to=24"),
    )
    lines = map(str.strip, server._process.stdout)
    server.control = next(line for line in lines if line.startswith("control: ")).removeprefix("control: ")
    return server


def rows(run, query):
    with closing(sqlite3.connect(run.results / "latest" / "run.db")) as db:
        return db.execute(query).fetchall()


def test_a_restart_by_command_is_an_outage_of_everybody_and_the_ledger_closes(server, tmp_path):
    command = order(server.control, "restart:300ms")
    schedule = ("--reconnect-base", "500ms", "--outage-command", command, "--outage-at", "2s")
    options = ("-u", "20", "-r", "20", "-t", "6s", *schedule, *LOAD)
    run = LocustRun(server, tmp_path / "results", *options, "SteadyUser", locustfile=LOCUSTFILE)
    try:
        assert run.end() in (0, 1, 3), run.output  # lost messages are failures to Locust; a busy machine spoils a run
        found = run.summary
        assert found["counts"]["unaccounted"] == 0
        assert rows(run, "SELECT cause, ended, count(*) FROM outages GROUP BY 1, 2") == [
            ("server cut", "recovered", 20)
        ]
        assert found["recovery"]["causes"]["outage command"]["outages"] == 20
        assert found["recovery"]["commands"] == {"ok": 1}
        assert (found["counts"]["auth_failures"], found["counts"]["auth_recoveries"]) == (3, 3)
        assert "refused, then let in with a fresh token: 3" in run.output
        assert server.stop()["faults"] == {"restart": 1, "auth-refuse": 3}
        assert found["recovery"]["herd"]["users"] == 20
        assert (run.results / "latest" / "recovery.png").stat().st_size > 0
        assert json.loads((run.results / "latest" / "summary.json").read_text())["metrics"]["recovery"]["count"] == 20
    finally:
        run.kill()


@pytest.mark.long
def test_who_only_reads_along_in_a_room_joins_anew_after_a_restart_and_is_expected_to_hear_the_others(server, tmp_path):
    command = order(server.control, "restart:100ms")
    options = ("-u", "7", "-r", "7", "-t", "8s", "--participants", "7", "--outage-command", command)
    options = (*options, "--outage-at", "2500ms", *LOAD, "RoomUser", "RoomReadingUser")
    run = LocustRun(server, tmp_path / "results", *options, locustfile=LOCUSTFILES / "rooms.py")
    try:
        run.end()
        readers = dict(rows(run, "SELECT user, count(*) FROM messages WHERE class = 'RoomReadingUser' GROUP BY 1"))
        assert list(readers.values()) == [2]
        ((stays,),) = rows(run, f"SELECT count(*) FROM stays WHERE user = '{next(iter(readers))}'")
        assert stays == 2
    finally:
        run.kill()


@pytest.mark.long
def test_a_backend_that_never_comes_back_leaves_users_that_gave_up_and_no_busy_loop(server, tmp_path):
    command = order(server.control, "restart:60s")
    schedule = ("--reconnect-base", "50ms", "--reconnect-attempts", "3", "--outage-command", command)
    options = ("-u", "5", "-r", "5", "-t", "6s", *schedule, "--outage-at", "1500ms", *LOAD)
    run = LocustRun(server, tmp_path / "results", *options, "SteadyUser", locustfile=LOCUSTFILE)
    try:
        run.end()
        found = run.summary
        assert found["counts"]["unaccounted"] == 0
        assert rows(run, "SELECT ended, attempts, count(*) FROM outages GROUP BY 1, 2") == [("gave up", 3, 5)]
        assert found["recovery"]["gave_up"] == {"gave up connecting": 5}
        assert found["seen"]["actions_given_up"][""] > 20
        ((cpu,),) = rows(run, "SELECT min(cpu_ns * 1.0 / interval_ns) FROM health WHERE interval_ns > 900000000")
        assert cpu < 0.5
    finally:
        run.kill()
