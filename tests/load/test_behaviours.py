"""Scenarios that lose connections, fall silent, leave, read slowly, hold still and go on for hours: a short run."""

import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from locust_command import LocustRun

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
LOAD = ("--headless", "--only-summary", "--rate-limit", "none", "--message-rate", "2/1s", "--reply-timeout", "3s")


class Done:
    """One run that is over: its summary, what it printed, and rows of its `run.db`."""

    def __init__(self, start_server, folder, scenarios, *options):
        server = start_server(folder, ("--rate-limit", "none", "--ttft", "20ms", "--gap", "2ms", "--chunks", "5"))
        files = ",".join(str(LOCUSTFILES / f"{name}.py") for name in scenarios)
        run = LocustRun(server, folder / "results", *LOAD, *options, locustfile=files)
        try:
            run.end()
            self.summary, self.output = run.summary, run.output
            with closing(sqlite3.connect(run.results / "latest" / "run.db")) as db:
                self.outages = db.execute("SELECT class, cause, on_purpose, ended, count(*) FROM outages "
                                          "GROUP BY 1, 2, 3, 4").fetchall()  # fmt: skip
                self.waited = db.execute("SELECT class, count(*) FROM messages WHERE population = 'queued' AND "
                                         "sent_ns IS NOT NULL GROUP BY 1 ORDER BY 1").fetchall()  # fmt: skip
                self.flushed = db.execute("SELECT class, sum(sent) FROM flushes GROUP BY 1 ORDER BY 1").fetchall()
                self.ends = dict(db.execute("SELECT class, count(*) FROM disconnects WHERE by = 'client' GROUP BY 1"))
        finally:
            run.kill()
            server.kill()


@pytest.fixture(scope="module")
def lost(reference_server_of, tmp_path_factory):
    words = "-u 12 -r 12 -t 7s --loss-every 1s --silence 300ms --away 300ms ResetUser SilentUser LeavingUser"
    return Done(reference_server_of, tmp_path_factory.mktemp("lost"), ["reconnect"], *shlex.split(words))


@pytest.fixture(scope="module")
def held(reference_server_of, tmp_path_factory):
    words = "-u 18 -r 18 -t 7s --loss-every 2s --read-pause 500ms --read-pause-every 1500ms"
    scenarios = ["slow_readers", "idle", "soak"]
    return Done(reference_server_of, tmp_path_factory.mktemp("held"), scenarios, *shlex.split(words))


# --- reconnect.py
def test_a_user_that_resets_or_falls_silent_has_outages_of_that_cause_on_purpose_and_one_that_leaves_has_none(lost):
    causes = {(user_class, cause, on_purpose) for user_class, cause, on_purpose, *_ in lost.outages}
    assert causes == {("ResetUser", "reset", 1), ("SilentUser", "silence", 1)}
    assert sum(count for *_, ended, count in lost.outages if ended == "recovered") >= 5


def test_silent_users_leave_ghosts(lost):
    silences = sum(count for _, cause, *_, count in lost.outages if cause == "silence")
    assert 0 < lost.summary["recovery"]["ghosts"]["ghosts"] <= silences


def test_who_leaves_says_goodbye_with_1000_and_connects_again(lost):
    leaving = lost.summary["by_class"]["LeavingUser"]["counts"]
    assert lost.ends["LeavingUser"] > 3  # two or three of twelve, each once at the end
    assert leaving["delivered"] == leaving["sent"] - leaving["unfinished"]


def test_each_message_that_waited_and_left_is_in_the_row_of_a_flush(lost):
    assert lost.flushed == lost.waited
    assert [name for name, _ in lost.flushed] == ["LeavingUser", "ResetUser", "SilentUser"]


def test_nothing_is_lost_in_silence_where_all_lose_their_connections(lost):
    counts = lost.summary["counts"]
    assert counts["unaccounted"] == 0
    assert counts["outages_on_purpose"] == counts["outages"] > 0


# --- slow_readers.py, idle.py, soak.py
def test_each_pause_of_a_slow_reader_has_a_verdict(held):
    verdicts = held.summary["seen"]["read_pause"]
    assert set(verdicts) <= {"kept", "not connected"}
    assert verdicts["kept"] >= 3
    assert "read pauses of slow readers:" in held.output


def test_idle_and_listening_users_are_there_and_say_nothing(held):
    classes = held.summary["by_class"]
    for name in ("IdleUser", "ListeningUser"):
        assert classes[name]["metrics"]["connect"]["count"] > 0
        assert classes[name]["counts"]["sent"] == 0
    assert held.summary["counts"]["unaccounted"] == 0


def test_the_memory_of_a_soak_is_told(held):
    (process,) = held.summary["generator"]["processes"]
    assert process["rss_mb"] > 0
    assert "memory of the generator:" in held.output
