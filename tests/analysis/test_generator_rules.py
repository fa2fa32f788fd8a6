"""What the generator's own state makes of a run; thresholds at their edges."""

import numpy as np
import pytest
from msgspec.structs import replace
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, ordinary, stage

from loadtest import histogram
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import Count, Counts, Health, Population
from loadtest.runs.reader import RunReader

CORE = SECOND
"""CPU time of one second at a full core."""


def health(process="local", second=30, **changes):
    facts = {
        "interval_ns": SECOND, "users": 3, "connections": 3, "frames": 100, "cpu_ns": CORE // 10,
        "loop_lag_ns": 2 * MS, "gc_ns": 0, "send_lag_ns": 0, "receive_lag_ns": 0,
    }  # fmt: skip
    return Health(process=process, at_ns=START + second * SECOND, **facts | changes)


def counted(metric, lags_ms, process="local"):
    buckets, counts = histogram.pack(np.array([round(lag * MS) for lag in lags_ms], np.int64))
    start = START + STEADY_S * SECOND
    return Counts(metric, Population.HEADLINE, start, start + SECOND, buckets, counts, process)


@pytest.fixture
def summary_of(tmp_path):
    def summed_up(messages=None, *, processes=("local",), counters=(), facts=None, **records):
        messages = ordinary() if messages is None else messages
        first = batch(
            messages,
            counters=[
                Count("messages_offered", "", len(messages)),
                Count("actions_done", "", len(messages)),
                *counters,
            ],
            **records,
        )
        others = [
            batch([], process=name, connects=[], disconnects=[], outages=[], counters=[]) for name in processes[1:]
        ]
        with RunReader(stage(tmp_path, [first, *others], **facts or {})) as run:
            return summarize(Measured(load(run)))

    return summed_up


def verdict_of(summary):
    return summary.verdict.status, [reason.split(";")[0] for reason in summary.verdict.reasons]


@pytest.mark.parametrize(
    ("lag_ms", "status", "words"),
    [(9.9, "valid", None), (10.1, "suspect", "was near its limit"), (20.1, "invalid", "was the limit")],
)
def test_the_event_loops_lag(summary_of, lag_ms, status, words):
    lags = [0.1] * 980 + [lag_ms] * 20
    summary = summary_of(health=[health()], histograms=[counted("loop_lag", lags)])
    reasons = [f"the load generator {words}: loop lag p99 {lag_ms:.0f} ms"] if words else []
    assert verdict_of(summary) == (status, reasons)


@pytest.mark.parametrize(
    ("lag_ms", "status", "words"),
    [(19.9, "valid", None), (20.1, "suspect", "was near its limit"), (100.5, "invalid", "was the limit")],
)
def test_the_lag_from_kernel_to_callback(summary_of, lag_ms, status, words):
    summary = summary_of(health=[health()], histograms=[counted("receive_lag", [0.1] * 900 + [lag_ms] * 100)])
    found, reasons = verdict_of(summary)
    assert found == status
    assert [words in reason for reason in reasons] == ([True] if words else [])


def test_a_window_too_short_for_a_p99_is_in_doubt_once_the_loop_has_stood_still(summary_of):
    short = [health(loop_lag_ns=80 * MS)]
    lags = counted("loop_lag", [0.1] * 100 + [80.0])
    assert verdict_of(summary_of(health=short, histograms=[lags])) == (
        "suspect", ["too short to judge the load generator: its loop lagged by up to 80 ms"],
    )  # fmt: skip
    assert verdict_of(summary_of(health=[health(loop_lag_ns=19 * MS)], histograms=[lags])) == ("valid", [])


def test_where_all_users_are_apart_from_the_headline_they_are_held_to_the_same_promise(summary_of):
    apart = [replace(message, population=Population.LIMIT) for message in unsure(1.1)]
    assert summary_of(apart).verdict.status == "invalid"


def test_one_bad_process_among_many_is_not_averaged_away(summary_of):
    names = [f"worker-{n}" for n in range(8)]
    lags = [counted("loop_lag", [30.0 if name == "worker-5" else 0.1] * 400, name) for name in names]
    samples = [health(name, connections=1) for name in names]
    summary = summary_of(processes=names, health=samples, histograms=lags)
    assert verdict_of(summary) == ("invalid", ["the load generator (worker-5) was the limit: loop lag p99 30 ms"])


def test_a_core_that_is_nearly_used_up(summary_of):
    busy = [health(second=s, cpu_ns=round(0.93 * CORE)) for s in (30, 31)]
    assert verdict_of(summary_of(health=busy)) == (
        "suspect", ["the load generator was near its limit: cpu 93 % of a core"],
    )  # fmt: skip


def test_cpu_before_the_steady_window_does_not_count(summary_of):
    assert verdict_of(summary_of(health=[health(second=5, cpu_ns=CORE), health()])) == ("valid", [])


def test_time_spent_in_collections(summary_of):
    assert verdict_of(summary_of(health=[health(gc_ns=60 * MS)])) == (
        "suspect", ["the load generator collected garbage for 6 % of the time"],
    )  # fmt: skip


@pytest.mark.parametrize(("throttled_ms", "status"), [(50, "valid"), (51, "suspect")])
def test_a_container_whose_cpu_limit_is_used_up(summary_of, throttled_ms, status):
    summary = summary_of(health=[health(throttled_ns=throttled_ms * MS)])
    reason = "its container's CPU limit held the load generator back for 5.1 % of the time (throttling)"
    assert verdict_of(summary) == (status, [reason] if status == "suspect" else [])


def test_a_generator_that_was_late_as_its_container_held_it_back_is_told_what_to_raise(summary_of):
    lags = [counted("loop_lag", [30.0] * 400)]
    summary = summary_of(health=[health(throttled_ns=20 * MS)], histograms=lags)
    assert summary.verdict.reasons == [
        "the load generator was the limit: loop lag p99 30 ms, while its container's CPU limit held it back for 2.0 % "
        "of the time (throttling); raise that limit, or use fewer users"
    ]


def test_a_core_that_is_nearly_used_up_within_a_limit(summary_of):
    (reason,) = summary_of(health=[health(cpu_ns=round(0.93 * CORE), throttled_ns=20 * MS)]).verdict.reasons
    assert reason == (
        "the load generator was near its limit: cpu 93 % of a core, while its container's CPU limit held it back for "
        "2.0 % of the time (throttling); raise that limit, or use fewer users"
    )


def test_what_held_back_one_process_is_no_excuse_of_another(summary_of):
    names = ("worker-0", "worker-1")
    samples = [health("worker-0", connections=1), health("worker-1", connections=2, throttled_ns=20 * MS)]
    lags = [counted("loop_lag", [lag] * 400, name) for name, lag in zip(names, (30.0, 0.1), strict=True)]
    summary = summary_of(processes=names, health=samples, histograms=lags)
    assert verdict_of(summary) == ("invalid", ["the load generator (worker-0) was the limit: loop lag p99 30 ms"])


def test_load_that_was_asked_for_and_never_made(summary_of):
    made = len(ordinary())
    few, many = Count("actions_never_done", "", 2), Count("actions_never_done", "", made)
    assert verdict_of(summary_of(counters=[few])) == ("valid", [])
    assert verdict_of(summary_of(counters=[many])) == (
        "invalid", ["the load generator made only 50.0 % of the load that was asked for"],
    )  # fmt: skip


def test_fewer_users_than_asked_for(summary_of):
    summary = summary_of(facts={"users": 200}, health=[health(connections=150)])
    assert verdict_of(summary) == (
        "suspect", ["of 200 users, 150 were connected in the mean: the load was less than asked for"],
    )  # fmt: skip


def test_users_who_come_and_go_are_asked_for_as_long_as_they_are_there(summary_of):
    facts = {"users": 600, "present_share": 1 / 3}
    own = summary_of(facts=facts, health=[health(connections=160)]).generator
    assert (own.connections_asked, own.connections_least) == (200, 156.9)  # 0.9 x 200, less what chance may take
    assert not own.too_few_connected
    assert summary_of(facts=facts, health=[health(connections=150)]).generator.too_few_connected


# --- the arithmetic of what a percentile may be off
def late_messages(**changes):
    return [answered(n, STEADY_S + n / 10, 5, **changes) for n in range(400)]


def unsure(bound_ms, ack_ms=5):
    return [answered(n, STEADY_S + n / 10, ack_ms, delivered_bound_ns=round(bound_ms * MS)) for n in range(400)]


@pytest.mark.parametrize(
    ("bound_ms", "ack_ms", "status"),
    [(1.0, 5, "valid"), (1.1, 5, "invalid"), (3.9, 400, "valid"), (4.1, 400, "invalid")],
    ids=["1 ms", "more than 1 ms", "less than 1 %", "more than 1 %"],
)
def test_a_p99_that_receive_times_leave_open_is_not_vouched_for(summary_of, bound_ms, ack_ms, status):
    summary = summary_of(unsure(bound_ms, ack_ms))
    assert summary.verdict.status == status
    assert summary.metrics["ack_delivered"].p99 == ack_ms
    assert summary.shortest["ack_delivered"].p99 == pytest.approx(ack_ms - bound_ms)


def test_bounds_of_messages_that_the_p99_does_not_hang_on_do_no_harm(summary_of):
    few = [*unsure(0, 5)[:396], *unsure(4.9, 5)[396:]]
    assert summary_of(few).verdict.status == "valid"


def test_a_slow_hand_over_to_the_socket_is_part_of_what_is_not_known(summary_of):
    summary = summary_of(late_messages(handover_ns=2 * MS))
    assert verdict_of(summary)[0] == "invalid"
    assert "read its sockets late" in summary.verdict.reasons[0]


def test_a_remedy_that_several_findings_share_is_told_once(summary_of):
    summary = summary_of(unsure(3), health=[health(cpu_ns=CORE)], histograms=[counted("loop_lag", [30.0] * 400)])
    assert [reason.count("use --processes") for reason in summary.verdict.reasons] == [1, 0, 0]
