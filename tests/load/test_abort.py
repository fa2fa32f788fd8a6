"""`--abort-on`: when a run counts as lost, and what becomes of it."""

import pytest
from locust_command import LocustRun
from staged_run import MS, SECOND, START, answered, message

from loadtest.load.abort import SETTLE_NS, AbortWatch
from loadtest.model import Batch, Connect, Count, Disconnect, Outcome, Population, StreamState
from loadtest.objectives import abort_condition

LATER = START + SETTLE_NS


def watch(*conditions, messages=(), steady=True, **more):
    """A watch that has seen some messages, 10 s after the steady part of a run began."""
    found = AbortWatch(abort_condition(text) for text in conditions)
    if steady:
        found.steady_from(START)
    found.see(Batch("local", 0, list(messages), **more))
    return found


def lost(count, **more):
    return [message(900 + n, n / 10, Outcome.LOST, **more) for n in range(count)]


def sound(count):
    return [answered(n, n / 10, 5) for n in range(count)]


# --- conditions -------------------------------------------------------------------------------------------------------
def test_a_ratio_trips_and_says_what_was_seen():
    sparse = [answered(n, n, 5) for n in range(18)]
    told = watch("delivered_ratio < 50%", messages=[*lost(180), *sparse]).tripped(START + 18 * SECOND)
    assert told == "delivered_ratio < 50%: 180 of 198 messages were not delivered"


def test_a_sound_run_trips_nothing():
    conditions = ("delivered_ratio < 50%", "ack_delivered.p99 > 1s", "stream_complete_ratio < 90%", "lost > 0")
    assert watch(*conditions, messages=sound(1_000)).tripped(LATER) == ""


def test_a_freeze_of_a_second_is_not_the_run():
    found = watch("delivered_ratio < 50%", messages=lost(100))
    assert found.tripped(LATER - 1) == ""
    assert found.tripped(LATER) != ""


def test_percentiles_and_ratios_leave_out_the_warm_up_and_other_populations():
    early = watch("delivered_ratio < 50%", messages=lost(100), steady=False)
    early.steady_from(START + 5 * SECOND)
    early.see(Batch("local", 1, lost(100)[:50]))  # intended before
    assert early.tripped(LATER + 5 * SECOND) == ""
    others = lost(100, population=Population.LIMIT)
    assert watch("delivered_ratio < 50%", messages=others).tripped(LATER) == ""


@pytest.mark.parametrize("key", ["ack_received", "ack_delivered", "ttft", "stream_completion"])
def test_a_percentile_trips_on_replies_that_are_late_or_never_came(key):
    # sent 1 ms after intended; received after 1 ms, delivered 5, first content 400, completed 1,000
    limit = {"ack_received": 1, "ack_delivered": 5, "ttft": 400, "stream_completion": 1_000}[key]
    assert "100 of 100 messages were beyond that" in watch(f"{key}.p50 > {limit - 0.5}ms", messages=sound(100)).tripped(
        LATER
    )
    assert watch(f"{key}.p50 > {limit}ms", messages=sound(100)).tripped(LATER) == ""
    assert watch(f"{key}.p50 > {limit}ms", messages=lost(100)).tripped(LATER) != ""


def test_rejected_messages_and_answers_that_nobody_expected_are_no_samples():
    rejected = [message(n, n / 10, Outcome.REJECTED, refused_ns=START + MS) for n in range(100)]
    assert watch("ack_delivered.p50 > 1s", messages=rejected).tripped(LATER) == ""
    silent = [
        message(n, n / 10, delivered_ns=START + n * SECOND // 10 + 2 * MS, stream_state=StreamState.NOT_EXPECTED)
        for n in range(100)
    ]
    for condition in ("ttft.p50 > 1s", "stream_complete_ratio < 90%"):
        assert watch(condition, messages=silent).tripped(LATER) == ""


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ("lost >= 3", {"messages": lost(3)}),
        ("connect_failures >= 2", {"connects": [Connect("ann", "A", START, "refused")] * 2}),
        ("disconnects >= 1", {"disconnects": [Disconnect("ann", "A", START, 1006, "", "server")]}),
        ("duplicates >= 4", {"counters": [Count("duplicate_ack", "", 4)]}),
        ("stream_violations >= 4", {"counters": [Count("stream_violation", key, 2) for key in "ab"]}),
        ("unknown_events >= 4", {"counters": [Count("unknown_event", "message:edited", 4)]}),
    ],
)  # fmt: skip
def test_counts_trip_at_once(condition, seen):
    found = watch(condition, **seen, steady=False)
    number = condition.rpartition(" ")[2]
    assert found.tripped(START) == f"{condition}: {number} by then"
    assert AbortWatch([abort_condition(condition)]).tripped(START) == ""


# --- a run ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def server(start_reference_server):
    return start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "3/60s")


@pytest.mark.parametrize(
    "processes",
    [(), pytest.param(("--processes", "2"), marks=pytest.mark.long)],
    ids=["one process", "two workers"],
)
def test_a_lost_run_ends_early_says_so_and_ends_with_1(server, tmp_path, processes):
    options = ("-u", "10", "-r", "10", "-t", "50s", "--rate-limit", "none", "--message-rate", "5/1s")
    asked = ("--abort-on", "rejected >= 20", "--slo", "lost == 0", "--slo", "ack_delivered.p50 < 1us")
    run = LocustRun(server, tmp_path, "--headless", *options, *asked, *processes, "WithinLimitUser")
    try:
        code = run.end()
        summary = run.summary
    finally:
        run.kill()
    assert summary["run"]["ended_by"] == "abort"
    assert summary["run"]["duration_s"] < 40
    assert summary["counts"]["unaccounted"] == 0
    objectives = summary["objectives"]
    assert objectives["aborted"].startswith("rejected >= 20: ")
    assert [result["verdict"] for result in objectives["results"]] == ["pass", "fail"]
    assert f"aborted: {objectives['aborted']}" in run.output
    assert code == (3 if summary["verdict"]["status"] == "invalid" else 1), run.output
    assert (tmp_path / "latest" / "junit.xml").exists()
