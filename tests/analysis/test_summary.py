"""From the records of a run to its numbers."""

import numpy as np
import pytest
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, message, ordinary, stage

from loadtest import histogram
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.metrics import METRICS
from loadtest.model import SHAPE, Batch, Count, Counts, Outcome, Population, Step, StreamState
from loadtest.runs.reader import RunReader

CONTRACT = [
    "sent", "sent_on_wire", "delivered", "rejected", "error",
    "timeout", "lost", "dropped", "unfinished", "unaccounted",
    "duplicates", "streams_started", "streams_completed", "streams_incomplete", "streams_missing",
    "stream_violations", "frames_received", "bytes_received", "connects", "auth_failures",
    "disconnects", "reconnects", "outages_unrecovered", "unknown_events",
]  # fmt: skip


@pytest.fixture
def summary_of(tmp_path):
    def summed_up(messages, *more_batches, facts=None, **changes):
        folder = stage(tmp_path, [batch(messages, **changes), *more_batches], **facts or {})
        with RunReader(folder) as run:
            return summarize(Measured(load(run)))

    return summed_up


def test_the_counts_are_over_the_whole_run(summary_of):
    counts = summary_of(ordinary()).counts
    assert set(CONTRACT) <= set(counts)
    assert {name: counts[name] for name in CONTRACT} == {
        "sent": 104, "sent_on_wire": 104, "delivered": 103, "rejected": 1, "error": 0, "timeout": 0, "lost": 0,
        "dropped": 0, "unfinished": 0, "unaccounted": 0, "duplicates": 0, "streams_started": 103,
        "streams_completed": 103, "streams_incomplete": 0, "streams_missing": 0, "stream_violations": 0,
        "frames_received": 3_000, "bytes_received": 90_000, "connects": 5, "auth_failures": 1, "disconnects": 1,
        "reconnects": 1, "outages_unrecovered": 0, "unknown_events": 2,
    }  # fmt: skip


def test_headline_percentiles_are_over_users_within_the_limit_in_the_steady_window(summary_of):
    summary = summary_of(ordinary())
    ack = summary.metrics["ack_delivered"]
    assert (ack.count, ack.p50, ack.p90, ack.p95, ack.max, ack.min) == (100, 50.0, 90.0, 95.0, 100.0, 1.0)
    assert ack.mean == 50.5
    assert summary.metrics["ttft"].p50 == 400.0
    assert summary.metrics["stream_completion"].p50 == 1_000.0
    assert summary.metrics["send_lag"].p50 == 1.0
    assert summary.from_intended["ttft"].p50 == 401.0
    assert summary.total["ack_delivered"].max == 9_000.0


def test_other_populations_and_classes_have_numbers_of_their_own(summary_of):
    summary = summary_of(ordinary())
    assert summary.populations["limit"].counts["rejected"] == 1
    assert summary.populations["limit"].metrics["ack_delivered"].count == 1
    assert summary.populations["outage"].metrics["ack_delivered"].max == 7.0
    assert set(summary.by_class) == {"WithinLimitUser", "AboveLimitUser", "RoamingUser"}
    assert summary.by_class["AboveLimitUser"].metrics["reject"].max == 999.0
    assert summary.rejected_ratio == {"WithinLimitUser": 0.0, "AboveLimitUser": 0.5, "RoamingUser": 0.0}


def test_every_metric_is_there_and_without_samples_has_a_count_of_0(summary_of):
    metrics = summary_of(ordinary()).metrics
    assert set(metrics) == {metric.key for metric in METRICS}
    assert (metrics["fanout"].count, metrics["fanout"].p50, metrics["fanout"].mean) == (0, None, None)


def test_percentiles_below_their_floor_are_withheld_with_the_number_they_need(summary_of):
    ack = summary_of(ordinary()).metrics["ack_delivered"]
    assert (ack.p99, ack.p99_9) == (None, None)
    assert ack.withheld == {"p99": 368, "p99_9": 3_688}
    assert ack.ci95["p50"] is not None
    assert ack.ci95["p50"][0] < 50.0 < ack.ci95["p50"][1]
    assert ack.ci95["p99"] is None


def second_of_gaps(number, gaps_ms):
    start = START + (STEADY_S + number) * 1_000 * MS
    packed = histogram.pack(np.asarray(gaps_ms, np.int64) * MS)
    return Counts("inter_chunk", Population.HEADLINE, start, start + 1_000 * MS, *packed)


def test_every_percentile_that_is_given_has_an_interval_around_it(summary_of):
    gaps = [second_of_gaps(number, range(20, 120)) for number in range(50)]
    summary = summary_of(ordinary(), histograms=gaps)
    groups = [
        summary.metrics, summary.from_intended, summary.total, summary.by_class["WithinLimitUser"].metrics,
        summary.connect_parts,
    ]  # fmt: skip
    assert summary.metrics["inter_chunk"].count == 5_000
    for metric in (metric for metrics in groups for metric in metrics.values() if metric.count):
        for name in ("p50", "p90", "p95", "p99", "p99_9"):
            at, ends = getattr(metric, name), metric.ci95[name]
            assert (ends is None) == (at is None)
            assert ends is None or ends[0] <= at <= ends[1]


def test_an_interval_that_reaches_into_the_unanswered_has_its_lower_end(summary_of):
    silent = [message(300 + n, STEADY_S + 5 * n, Outcome.TIMEOUT) for n in range(10)]
    ack = summary_of(ordinary() + silent).metrics["ack_delivered"]
    assert (ack.p90, ack.p95) == (99.0, None)
    assert ack.ci95["p90"] is ack.ci95["p95"] is None
    assert 50.0 < ack.ci95_from["p90"] < 99.0
    assert 90.0 < ack.ci95_from["p95"] <= 100.0
    assert "p50" not in ack.ci95_from


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.LOST, Outcome.ERROR, Outcome.UNFINISHED])
def test_what_never_came_ranks_behind_everything_that_came(summary_of, outcome):
    silent = [message(300 + n, STEADY_S + n, outcome) for n in range(11)]
    ack = summary_of(ordinary() + silent).metrics["ack_delivered"]
    assert (ack.count, ack.unanswered) == (111, 11)
    assert (ack.p50, ack.p90, ack.p95, ack.max) == (56.0, 100.0, None, None)
    assert ack.beyond == {"p95": "> 30 s", "max": "> 30 s"}
    assert ack.mean == 50.5


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.DROPPED])
def test_rejected_and_dropped_messages_are_in_no_latency(summary_of, outcome):
    refused = [message(300, STEADY_S, outcome, sent_ns=None)]
    assert summary_of(ordinary() + refused).metrics["ack_delivered"].count == 100


def test_a_stream_that_never_came_leaves_the_ack_as_it_is(summary_of):
    silent = answered(
        300, STEADY_S, 1, stream_state=StreamState.MISSING, first_content_ns=None, completed_ns=None, chunks=0
    )
    summary = summary_of([*ordinary(), silent])
    assert summary.counts["streams_missing"] == 1
    assert summary.metrics["ack_delivered"].unanswered == 0
    assert summary.metrics["ttft"].unanswered == summary.metrics["stream_completion"].unanswered == 1


def test_messages_that_waited_in_the_offline_queue_are_no_headline(summary_of):
    queued = answered(300, STEADY_S, 20_000, population=Population.QUEUED)
    summary = summary_of([*ordinary(), queued])
    assert summary.metrics["ack_delivered"].max == 100.0
    assert summary.populations["queued"].metrics["ack_delivered"].max == 20_000.0


# --- the verdict
def test_a_sound_run_is_valid(summary_of):
    verdict = summary_of(ordinary()).verdict
    assert (verdict.status, verdict.reasons) == ("valid", [])


def assert_invalid(summary, *words):
    assert summary.verdict.status == "invalid"
    assert any(all(word in reason for word in words) for reason in summary.verdict.reasons), summary.verdict.reasons


def test_a_message_without_a_record_spoils_the_run(summary_of):
    summary = summary_of(ordinary(), counters=[Count("messages_offered", "", 106)])
    assert summary.counts["unaccounted"] == 2
    assert_invalid(summary, "the ledger does not close", "2 messages")


def test_a_run_that_was_cut_off_is_incomplete_and_its_open_messages_are_not_known(summary_of):
    summary = summary_of(ordinary(), facts={"ended_ns": None, "stopped_ns": None})
    assert summary.counts["unaccounted"] is None
    assert not summary.run.complete
    assert_invalid(summary, "incomplete")


def test_a_worker_that_never_reported_back_spoils_the_run(summary_of):
    assert_invalid(summary_of(ordinary(), facts={"missing_processes": ["worker-1"]}), "worker-1")


def test_a_gap_in_the_reports_spoils_the_run(summary_of):
    late = batch([], sequence=2, connects=[], disconnects=[], outages=[], counters=[])
    assert_invalid(summary_of(ordinary(), late), "1 of local")


def test_a_generator_that_sends_late_spoils_the_run(summary_of):
    prompt = [answered(n, STEADY_S + n / 10, 5) for n in range(400)]
    late = [
        answered(400 + n, STEADY_S + n, 5, intended_ns=START + (STEADY_S + n) * 1_000 * MS - 50 * MS) for n in range(20)
    ]
    assert_invalid(summary_of(prompt + late), "sent late", "--processes")


def test_an_empty_run_measured_nothing_and_says_why(summary_of):
    summary = summary_of([], connects=[], outages=[], disconnects=[])
    assert summary.empty
    assert_invalid(summary, "nothing was measured")


def test_a_platform_that_promises_stamps_and_gives_none_is_called_by_its_clock(summary_of):
    counters = [Count("messages_offered", "", 104), Count("frames_received", "", 100)]
    assert summary_of(ordinary(), counters=counters).run.receive_clock == "kernel"
    without = [*counters, Count("reads_without_stamp", "", 90)]
    assert summary_of(ordinary(), counters=without).run.receive_clock == "callback"


def test_each_step_of_a_shape_has_its_own_replies(summary_of):
    first = [answered(n, 12 + n * 0.1, 5) for n in range(40)]
    between = [answered(100 + n, 30.5 + n * 0.1, 500) for n in range(5)]
    second = [answered(200 + n, 40 + n * 0.1, 9) for n in range(60)]
    limit = [message(300, 41, Outcome.REJECTED, Population.LIMIT)]
    steps = [
        Step(1, 20, START + 10 * SECOND, START + 30 * SECOND),
        Step(2, 40, START + 35 * SECOND, START + 60 * SECOND),
    ]
    found = summary_of(first + between + second + limit, Batch(SHAPE, 0, steps=steps)).by_step
    assert [(step.number, step.users, step.start_s, step.stop_s) for step in found] == [
        (1, 20, 10.0, 30.0),
        (2, 40, 35.0, 60.0),
    ]
    assert [step.counts["sent"] for step in found] == [40, 61]
    assert [step.metrics["ack_delivered"].count for step in found] == [40, 60]
    assert [step.metrics["ack_delivered"].p50 for step in found] == [5.0, 9.0]


def test_a_run_without_a_shape_has_no_steps(summary_of):
    assert summary_of(ordinary()).by_step == []
