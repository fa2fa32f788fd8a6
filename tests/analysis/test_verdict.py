"""The findings of which a verdict is made, and details of the ledger."""

import numpy as np
import pytest
from staged_run import SECOND, START, STEADY_S, answered, batch, message, ordinary, stage

from loadtest import histogram
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import PREFLIGHT, Connect, Count, Counts, Outcome, Population, StreamState
from loadtest.runs.reader import RunReader


@pytest.fixture
def summary_of(tmp_path):
    def summed_up(messages, facts=None, counters=(), **changes):
        offered = Count("messages_offered", "", len(messages))
        folder = stage(tmp_path, [batch(messages, counters=[offered, *counters], **changes)], **facts or {})
        with RunReader(folder) as run:
            return summarize(Measured(load(run)))

    return summed_up


def test_errors_of_listeners_make_a_run_suspect(summary_of):
    verdict = summary_of(ordinary(), counters=[Count("listener_error", "KeyError", 3)]).verdict
    assert (verdict.status, len(verdict.reasons)) == ("suspect", 1)
    assert verdict.reasons[0].startswith("3 errors in the handling of events")


def test_errors_in_hooks_of_the_locustfile_make_a_run_suspect(summary_of):
    verdict = summary_of(ordinary(), counters=[Count("hook_error", "RuntimeError", 2)]).verdict
    assert (verdict.status, len(verdict.reasons)) == ("suspect", 1)
    assert verdict.reasons[0].startswith("2 errors in hooks")


def test_reports_that_were_left_out_make_a_run_invalid(summary_of):
    verdict = summary_of(ordinary(), counters=[Count("report_left_out", "", 2)]).verdict
    assert (verdict.status, len(verdict.reasons)) == ("invalid", 1)
    assert verdict.reasons[0].startswith("reports with records that cannot be written are left out: 2")


def test_the_gravest_finding_comes_first(summary_of):
    counters = [Count("listener_error", "", 1), Count("messages_offered", "again", 7)]
    verdict = summary_of(ordinary(), counters=counters).verdict
    assert verdict.status == "invalid"
    assert [reason.split(";")[0] for reason in verdict.reasons] == [
        "the ledger does not close: 7 messages have no record",
        "1 errors in the handling of events",
    ]


def test_more_records_than_messages_spoil_the_run(summary_of):
    summary = summary_of(ordinary(), counters=[Count("messages_offered", "again", -1)])
    assert summary.counts["unaccounted"] == -1
    assert "1 more records than messages" in summary.verdict.reasons[0]


def test_failed_connects_are_told_where_nothing_was_measured(summary_of):
    failed = [Connect("ann", "A", START, "refused"), Connect("ben", "A", START, "refused")]
    summary = summary_of([], connects=failed, outages=[], disconnects=[])
    assert "2 x refused" in summary.verdict.reasons[0]
    assert (summary.counts["connect_failures"], summary.connect_failures) == (2, {"refused": 2})


def test_preflight_is_of_no_class(summary_of):
    connects = [Connect(PREFLIGHT, PREFLIGHT, START, "ok", authenticated_ns=START + SECOND)]
    assert summary_of([], connects=connects).by_class == {}


@pytest.mark.parametrize(("expected", "state"), [("auto", "missing"), ("yes", "missing"), ("no", "not_expected")])
def test_an_answer_that_others_got_is_missing_unless_none_was_expected(summary_of, expected, state):
    silent = answered(
        1, STEADY_S, 5, stream_state=StreamState.NOT_EXPECTED, first_content_ns=None, completed_ns=None, chunks=0
    )
    counts = summary_of([silent, answered(2, STEADY_S, 5)], facts={"expect_stream": expected}).counts
    assert counts[f"streams_{state}"] == 1


def test_reasons_by_frequency(summary_of):
    reasons = ["no ack", "received, never delivered", "no ack"]
    summary = summary_of([message(n, 30, Outcome.TIMEOUT, reason=reason) for n, reason in enumerate(reasons)])
    assert list(summary.timeouts.items()) == [("no ack", 2), ("received, never delivered", 1)]


def test_the_window_holds_its_start_and_not_its_stop(summary_of):
    edges = [answered(1, 20, 1), answered(2, 80, 2), answered(3, 19.999, 3), answered(4, 79.999, 4)]
    ack = summary_of(edges).metrics["ack_delivered"]
    assert (ack.count, ack.min, ack.max) == (2, 1.0, 4.0)


def test_counts_are_of_intervals_that_begin_in_the_window(summary_of):
    packed = histogram.pack(np.array([50_000_000]))
    parts = [
        Counts("inter_chunk", Population.HEADLINE, START + s * SECOND, START + (s + 1) * SECOND, *packed)
        for s in (19, 20, 79, 80)
    ]
    assert summary_of(ordinary(), histograms=parts).metrics["inter_chunk"].count == 2
