"""What part `guide` of benchmarks/scale makes of literal levels; what it measures is shown by running it."""

import os

import pytest

from benchmarks.scale import aims
from benchmarks.scale.guide import Run, Scheme, climb, conclusion, line, run_of
from benchmarks.scale.runs import two_cores
from loadtest.analysis.accuracy import Accuracy, MetricAccuracy, percentile_error
from loadtest.analysis.selftest import Judgement, Level
from loadtest.analysis.values import Verdict

SCHEME = Scheme("ws", (1_000, 2_000, 3_000), aim=2_000, spawn_rate=500.0)


def metric(measured_ms, true_ms, one_sided=0):
    p99 = None if measured_ms is None else percentile_error(measured_ms, true_ms)
    return MetricAccuracy(count=4_000, one_sided=one_sided, percentiles={"p99": p99})


def level(status="valid", ack=(5.01, 5.0), ttft=(406.0, 405.99), one_sided=0, frames_per_s=5_869.0):
    metrics = {
        "ack_delivered": metric(*ack, one_sided),
        "ttft": metric(*ttft),
        "stream_completion": metric(1_385.0, 1_385.0),
    }
    return Level(
        disturbance="",
        users=1_000,
        messages_per_s=133.4,
        frames_per_s=frames_per_s,
        cpu_us_per_frame=30.0,
        generator_cpu=0.18,
        server_cpu=0.2,
        verdict=Verdict(status, [] if status == "valid" else ["the load generator sent late"]),
        accuracy=Accuracy(metrics, unknown=0, way_there_ms={}),
        judgement=Judgement.OK,
        folder="1",
    )


def test_a_valid_run_whose_p99_is_right_holds():
    run = run_of(level())
    assert run.holds
    assert run.error_ms == {"ack_delivered": 0.01, "ttft": 0.01}
    assert run.server_late_ms == 10.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "invalid"}, "invalid: the load generator sent late"),
        ({"status": "suspect"}, "suspect: the load generator sent late"),
        ({"ack": (6.01, 5.0)}, "ack_delivered: p99 is off by 1.01 ms"),
        ({"ttft": (404.0, 406.0)}, "ttft: p99 is off by -2.00 ms"),  # within 1 % of it, and yet beyond 1 ms
        ({"ack": (None, None)}, "ack_delivered: too few messages for a p99"),
        ({"one_sided": 50}, "ack_delivered: 50 replies that only one side knows of"),
        ({"frames_per_s": 5_500.0}, "the server is the limit: 5,500 of 5,870 frames a second"),
    ],
)
def test_what_speaks_against_a_level_is_named(changes, why):
    assert run_of(level(**changes)).why_not == [why]


def test_levels_rise_until_one_does_not_hold_and_does_not_when_tried_once_more():
    holds = iter([True, False, True, False, False])
    runs = list(climb((1_000, 2_000, 3_000, 4_000), lambda users: Run(users, [] if next(holds) else ["invalid"])))
    assert [(run.users, run.holds) for run in runs] == [
        (1_000, True),
        (2_000, False),
        (2_000, True),
        (3_000, False),
        (3_000, False),
    ]


@pytest.mark.parametrize(("best", "reached", "word"), [(2_000, True, "reached"), (1_000, False, "MISSED")])
def test_the_largest_level_that_holds_is_held_against_the_aim(best, reached, word):
    runs = [Run(users, [] if users <= best else ["invalid"]) for users in SCHEME.levels]
    found = conclusion(SCHEME, runs)
    assert (found["reached"], found["met"]) == (best, reached)
    (aim,) = aims.guide({"chunks": 40, "ws": found})
    assert str(aim) == f"{word}: 2,000 users on ws://, p99 right to 1 ms: {best:,}"


def test_a_run_that_left_nothing_is_a_line_with_its_reason():
    found = line("wss", Run(4_000, ["a run of 4,000 users left nothing to measure"]))
    assert found.split()[:3] == ["wss", "4,000", "–"]
    assert found.endswith("  a run of 4,000 users left nothing to measure")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins to cores, which takes Linux")
def test_of_one_core_alone_nothing_can_be_said():
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with pytest.raises(SystemExit, match="takes two cores"), two_cores():
            pass
    finally:
        os.sched_setaffinity(0, cores)
