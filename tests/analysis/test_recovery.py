"""How users came back: causes, the schedule, the herd, the queue and ghosts, from literal records."""

import msgspec
import pytest
from staged_run import MS, SECOND, START, batch, message, stage

from loadtest.analysis.herd import recovery_return
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.recovery import Ghosts, Queue, recovery
from loadtest.analysis.summary import summarize
from loadtest.model import Cause, Connect, Count, Flush, Ghost, Health, Outage, OutageCommand, Outcome, Population
from loadtest.report.recovery_notes import recovery_notes
from loadtest.runs.reader import RunReader


def at(seconds):
    return START + round(seconds * SECOND)


def outage(number, lost_s, back_s=None, cause=Cause.SERVER_CUT, ended="recovered", **more):
    """Lost and back so many seconds after the start; a message delivered 0.5 s later, of the time 1 s back-off."""
    back = {} if back_s is None else {"authenticated_ns": at(back_s), "recovered_ns": at(back_s + 0.5)}
    facts = {"noticed_ns": at(lost_s), "backoff_ns": SECOND, "ended": ended, "cause": cause} | back | more
    return Outage(f"user-{number}", "SteadyUser", at(lost_s), 1006, "", cause.on_purpose, 1, **facts)


def attempt(number, began_s, backoff_ms, count=1):
    return Connect(
        f"user-{number}", "SteadyUser", at(began_s), "ok", reconnect=True, authenticated_ns=at(began_s + 0.1),
        attempt=count, backoff_ns=backoff_ms * MS,
    )  # fmt: skip


@pytest.fixture
def records_of(tmp_path):
    def read(messages=(), facts=None, **changes):
        with RunReader(stage(tmp_path, [batch(list(messages), **changes)], **facts or {})) as run:
            return load(run)

    return read


def cut_of(users):
    """All lost at 30 s, one after the other within 0.1 s, and back from 31.1 s on, 10 ms apart."""
    return {
        "outages": [outage(n, 30 + n * 0.1 / users, 31.1 + n * 0.01) for n in range(users)],
        "connects": [attempt(n, 31 + n * 0.01, 1_000 + n) for n in range(users)],
    }


def test_outages_by_cause_and_how_they_ended(records_of):
    found = recovery(
        records_of(
            outages=[
                outage(0, 10, 12),
                outage(1, 20, cause=Cause.PING_TIMEOUT, ended="gave up", noticed_ns=at(26), lost=3),
                outage(2, 40, 41, cause=Cause.PING_TIMEOUT, noticed_ns=at(48), lost=1),
            ]
        )
    ).causes
    assert list(found) == ["ping timeout", "server cut"]
    assert (found["ping timeout"].outages, found["ping timeout"].lost, found["ping timeout"].noticed_s) == (2, 4, 6.0)
    assert found["ping timeout"].ended == {"gave up": 1, "recovered": 1}
    assert found["server cut"].noticed_s == 0


def test_what_a_server_cuts_during_the_outage_command_is_laid_to_it(records_of):
    lost = [outage(0, 10, 12), outage(1, 12.5, 14), outage(2, 14, 15), outage(3, 10, 12, cause=Cause.RESET)]
    command = OutageCommand(at(9.9), at(12), "ok")
    found = recovery(records_of(outages=lost, facts={"outage_commands": [command]}))
    assert {cause: own.outages for cause, own in found.causes.items()} == {
        "outage command": 2, "reset": 1, "server cut": 1,
    }  # fmt: skip
    assert found.commands == {"ok": 1}


def test_waits_are_held_against_the_schedule_in_force(records_of):
    waits = [
        attempt(0, 1, 1_000),
        attempt(1, 1, 1_299),
        attempt(2, 1, 990),
        attempt(3, 1, 1_301),
        attempt(4, 4, 4_100, 2),
    ]
    first, second = recovery(records_of(connects=waits)).attempts
    assert (first.count, first.shortest_s, first.longest_s, first.off_schedule) == (4, 0.99, 1.301, 2)
    assert (first.least_s, first.most_s, second.least_s, second.most_s, second.off_schedule) == (1, 1.2, 2, 2.4, 1)
    own = {"reconnect_base": 2.0, "reconnect_max": 3.0, "reconnect_jitter": 0.5}
    (first, second) = recovery(records_of(connects=waits, facts={"options": own})).attempts
    assert (first.least_s, first.most_s, second.least_s, second.most_s) == (2, 3, 3, 4.5)


def test_back_off_is_kept_apart_from_the_time_of_the_server(records_of):
    half_open = outage(0, 10, 18, cause=Cause.PING_TIMEOUT, noticed_ns=at(15), backoff_ns=2 * SECOND)
    metrics = summarize(Measured(records_of(outages=[half_open]))).metrics
    found = {key: metrics[key].max for key in ("outage", "notice", "backoff", "reconnect", "recovery")}
    assert found == {"outage": 8_000, "notice": 5_000, "backoff": 2_000, "reconnect": 1_000, "recovery": 8_500}


@pytest.mark.parametrize(
    ("ended", "facts", "endless"),
    [
        ("recovered", {}, []),  # and it had nothing to send
        ("gave up", {}, ["outage", "reconnect", "recovery"]),
        ("run ended", {}, ["outage", "reconnect", "recovery"]),
        ("run ended", {"attempts": 0}, []),  # it was still waiting, by its own schedule
        ("left", {}, []),
        ("lost again", {"authenticated_ns": at(12), "queued": 3}, ["recovery", "queue_flush"]),
        ("recovered", {"authenticated_ns": at(12), "recovered_ns": at(13), "queued": 3}, ["queue_flush"]),
        ("left", {"authenticated_ns": at(12), "queued": 3}, []),
    ],
)
def test_who_never_came_back_ranks_behind_everybody(records_of, ended, facts, endless):
    lost = msgspec.structs.replace(outage(0, 10, ended=ended), **facts)
    metrics = summarize(Measured(records_of(outages=[lost]))).metrics
    found = [key for key in ("outage", "reconnect", "recovery", "queue_flush") if metrics[key].unanswered]
    assert found == endless
    assert all(metrics[key].beyond["max"] == "never" for key in endless)


def test_a_herd_is_told_in_numbers(records_of):
    herd = recovery(records_of(**cut_of(100))).herd
    assert (herd.at_s, herd.users, herd.within_s, herd.most_at_once) == (30.0, 100, 0.099, 10)
    assert herd.back_s == {"half": 1.59, "90 %": 1.99, "all": 2.09}
    assert herd.delivered_s == {"half": 2.09, "90 %": 2.49, "all": 2.59}


def test_users_who_lose_their_connections_on_purpose_make_no_herd(records_of):
    records = records_of(outages=[outage(n, 30 + n * 0.01, 32, cause=Cause.RESET) for n in range(50)])
    assert recovery(records).herd is None
    assert recovery_return(records).users == 50


def test_where_some_never_come_back_all_never_are(records_of):
    cut = cut_of(20)
    cut["outages"][0] = outage(0, 30, ended="gave up")
    assert recovery(records_of(**cut)).herd.back_s["all"] is None


def test_fewer_than_ten_are_no_herd_and_count_each_from_its_own_loss(records_of):
    records = records_of(outages=[outage(n, 10 * n, 10 * n + 2) for n in range(1, 5)],
                         connects=[attempt(n, 10 * n + 1, 1_000) for n in range(1, 5)])  # fmt: skip
    assert recovery(records).herd is None
    back = recovery_return(records)
    assert (back.at_s, back.users) == (None, 4)
    assert back.attempts.tolist() == [1.0] * 4
    assert back.back.tolist() == [2.0] * 4


def test_the_queue_and_its_ledger(records_of):
    waited = [
        message(1, 30, population=Population.QUEUED),
        message(2, 30, Outcome.REJECTED, Population.QUEUED),
        message(3, 30, Outcome.DROPPED, Population.QUEUED, sent_ns=None),
        message(4, 30),
    ]
    counters = [Count("flushed_broadcast", "in order", 1), Count("messages_offered", "", 4)]
    assert recovery(records_of(waited, counters=counters)).queue == Queue(
        3, 2, {"delivered": 1, "rejected": 1, "dropped": 1}, {"in order": 1}
    )


def test_a_flush_counts_whatever_its_user_was_away_for(records_of):
    flushes = [
        Flush("user-0", "SteadyUser", True, at(12), at(13), 3),
        Flush("user-1", "LeavingUser", False, at(20), at(22), 2),
        Flush("user-2", "LeavingUser", False, at(30), None, 4, ended="lost"),
        Flush("user-3", "LeavingUser", False, at(40), None, 1, ended="left"),
    ]
    waited = [message(n, 30, population=Population.QUEUED, user_class="LeavingUser") for n in range(10)]
    records = records_of(waited, outages=[outage(0, 10, 12, queued=3, flushed_ns=at(13))], flushes=flushes)
    summary = summarize(Measured(records))
    flushed = summary.metrics["queue_flush"]
    assert (flushed.count, flushed.min, flushed.unanswered) == (3, 1_000, 1)
    assert summary.by_class["LeavingUser"].metrics["queue_flush"].count == 2
    assert summary.recovery.queue.after_absences == 7
    assert "offline queue: 10 waited = 10 delivered; 10 sent, 7 of them by who had left or given up" in recovery_notes(
        summary.recovery
    )


def test_ghosts_that_outlive_their_users_absence(records_of):
    silent = [outage(n, 10, 16, cause=Cause.SILENCE, noticed_ns=at(15)) for n in range(3)]
    ghosts = [
        Ghost("user-0", "SilentUser", at(10), at(15), at(15.5), 1006, 2, 1),
        Ghost("user-1", "SilentUser", at(10), at(15), at(40), 1006, 3, 2),
        Ghost("user-2", "SilentUser", at(10), at(15)),
    ]
    assert recovery(records_of(outages=silent, ghosts=ghosts)).ghosts == Ghosts(3, 2, 2, 17.75, 3)


def test_memory_of_the_generator_is_followed(records_of):
    samples = [
        Health("local", at(second), SECOND, 1, 1, 0, 0, 0, 0, 0, 0, rss_bytes=(80 + second // 10) * 1_000_000)
        for second in range(1, 80)
    ]
    (process,) = summarize(Measured(records_of(health=samples))).generator.processes
    assert (process.rss_mb, process.rss_growth_mb) == (87.0, 5.0)


def test_what_a_person_reads(records_of):
    cut = cut_of(100) | {
        "counters": [Count("gave_up", "gave up connecting", 2), Count("started_anew", "", 1)],
        "ghosts": [Ghost("user-0", "SilentUser", at(10), at(15), at(40), 1006, 3, 2)],
    }
    waited = [
        *(message(n, 30, population=Population.QUEUED) for n in range(3)),
        *(message(n, 30, Outcome.REJECTED, Population.QUEUED) for n in range(3, 5)),
    ]
    command = OutageCommand(at(29), at(31), "ok")
    assert list(recovery_notes(recovery(records_of(waited, **cut, facts={"outage_commands": [command]})))) == [
        "--outage-command: 1 x ok",
        "outages by outage command: 100 = 100 recovered",
        "waits before attempts: 1. 100 x 1.00–1.10 s of 1.00–1.20; 0 off the schedule",
        "herd: 100 connections lost at 30.0 s within 0.10 s; at most 10 attempts in 0.1 s; back: half 1.59 s, 90 % "
        "1.99 s, all 2.09 s",
        "offline queue: 5 waited = 3 delivered + 2 rejected; 5 sent",
        "ghosts: 1, 0 of them still there when the user was back; 1 ended by the server, after 30.0 s (median); 2 "
        "broadcasts went to them",
        "gave up: 2 x gave up connecting; 1 began anew",
    ]
