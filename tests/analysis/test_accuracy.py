"""Measured percentiles against the truth: exact where the numbers are known, and a shift shows as what it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staged_run import MS, START, STEADY_S, answered, batch, message, stage

from loadtest.analysis.accuracy import Accuracy, MetricAccuracy, accuracy, compare, percentile_error
from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.selftest import Judgement, conclude, judge, level
from loadtest.analysis.values import Verdict
from loadtest.metrics import HEADLINE
from loadtest.model import Health, Outcome
from loadtest.runs.columns import MISSING
from loadtest.runs.reader import RunReader
from loadtest.runs.truth import Truth, read_truth

VALID = Verdict("valid", [])
INVALID = Verdict("invalid", ["the load generator was the limit"])


def ns(*milliseconds):
    return np.array(milliseconds, np.float64) * MS


def test_a_percentile_is_right_within_a_millisecond_or_a_hundredth_of_the_truth_whichever_is_more():
    small, large = percentile_error(11.0, 10.0), percentile_error(404.0, 400.0)
    assert (small.error_ms, small.allowed_ms, small.within) == (1.0, 1.0, True)
    assert (large.error_ms, large.allowed_ms, large.within) == (4.0, 4.0, True)
    assert not percentile_error(11.000001, 10.0).within
    assert not percentile_error(8.9, 10.0).within


def test_percentiles_are_compared_over_the_same_messages_and_withheld_below_their_floor():
    true = np.arange(1, 401) * 1.0 * MS
    found = compare(true + 2 * MS, true)
    assert found.count == 400
    assert {name: error and (error.true_ms, error.error_ms) for name, error in found.percentiles.items()} == {
        "p50": (200.0, 2.0),
        "p90": (360.0, 2.0),
        "p99": (396.0, 2.0),
        "p99_9": None,
    }


def test_one_message_in_fifty_that_is_late_is_an_error_of_p99_alone():
    true = np.full(400, 10.0 * MS)
    measured = true.copy()
    measured[::50] += 30 * MS
    errors = {name: error.error_ms for name, error in compare(measured, true).percentiles.items() if error}
    assert errors == {"p50": 0.0, "p90": 0.0, "p99": 30.0}


def test_messages_that_one_side_alone_knows_are_counted_and_in_no_percentile():
    found = compare(ns(1, 2, np.inf, np.nan, np.nan, 3), ns(1, 2, 5, 5, np.nan, np.nan))
    assert (found.count, found.one_sided) == (2, 3)


@pytest.mark.parametrize(("missed", "within"), [(0, True), (1, True), (2, False)])
def test_replies_that_the_generator_missed_are_an_error_though_the_others_are_right(missed, within):
    true = np.full(1_000, 10.0 * MS)
    measured = true.copy()
    measured[:missed] = np.inf
    found = compare(measured, true)
    assert found.percentiles["p99"].error_ms == 0.0
    assert found.within is within


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 10**10), min_size=368, max_size=500),
    st.integers(-(10**9), 10**9),
)
def test_a_constant_shift_is_exactly_the_error_of_every_percentile(latencies, shift):
    true = np.array(latencies, np.float64)
    errors = [error for error in compare(true + shift, true).percentiles.values() if error is not None]
    assert len(errors) == 3
    assert all(error.error_ms == pytest.approx(shift / MS, abs=1.1e-6) for error in errors)


def test_a_truth_file_is_read_in_the_order_of_the_messages(tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_text(
        '{"messageId":"b","read_ns":5,"rejected_ns":6}\n'
        '{"messageId":"a","read_ns":1,"received_ns":2,"delivered_ns":3,"first_content_ns":4,"content_ns":[4,5],'
        '"completed_ns":6}\n'
    )
    truth = read_truth(path, ["a", "unknown", "b"])
    assert truth.read_ns.tolist() == [1, MISSING, 5]
    assert truth.delivered_ns.tolist() == [3, MISSING, MISSING]
    assert truth.first_content_ns.tolist() == [4, MISSING, MISSING]
    assert truth.completed_ns.tolist() == [6, MISSING, MISSING]


def sent_ns(number):
    return START + round((STEADY_S + number * 0.1) * 1000) * MS + MS


@pytest.fixture
def run(tmp_path):
    """400 messages: ack after 6 ms, first content after 400 ms, completion after 1 s; one more that the server lost."""
    messages = [answered(number, STEADY_S + number * 0.1, 6) for number in range(400)]
    lost = message(400, STEADY_S + 1, Outcome.TIMEOUT, reason="no ack")
    at = START + STEADY_S * 1000 * MS
    health = [Health("local", at + 500 * MS * n, 500 * MS, 3, 3, 100, 50 * MS, 0, 0, 0, 0) for n in range(1, 5)]
    folder = stage(tmp_path, [batch([*messages, lost], health=health)])
    with RunReader(folder) as reader:
        return Measured(load(reader)), reader.message_ids()


def truth_of(ids, ack_ms, ttft_ms):
    """The server read each message after 1 ms; it never read the last one."""
    sent = np.array([sent_ns(number) for number in range(400)] + [0])
    moments = [np.where(sent > 0, sent + shift * MS, MISSING) for shift in (1, ack_ms, ttft_ms, 1_000)]
    assert ids[-1] == "msg-400"
    return Truth(*moments)


def test_a_run_is_held_against_the_log_of_its_server_message_by_message(run):
    measured, ids = run
    found = accuracy(measured, truth_of(ids, ack_ms=5, ttft_ms=397))
    assert found.unknown == 1
    assert found.way_there_ms == {"p50": 1.0, "p90": 1.0, "p99": 1.0, "p99_9": None}
    errors = {key: metric.percentiles["p99"].error_ms for key, metric in found.metrics.items()}
    assert errors == {"ack_delivered": 1.0, "ttft": 3.0, "stream_completion": 0.0}
    assert found.measured
    assert found.within


@pytest.mark.parametrize(
    ("verdict", "ttft_ms", "judgement"),
    [
        (VALID, 397, Judgement.OK),
        (VALID, 395, Judgement.BROKEN),
        (INVALID, 395, Judgement.CAUGHT),
        (INVALID, 397, Judgement.CAUTIOUS),
    ],
)
def test_a_verdict_is_judged_by_the_truth(run, verdict, ttft_ms, judgement):
    measured, ids = run
    assert judge(verdict, accuracy(measured, truth_of(ids, 5, ttft_ms))) is judgement


def test_without_samples_for_p99_a_verdict_is_not_judged():
    few = compare(ns(1), ns(200))
    assert few == MetricAccuracy(1, 0, dict.fromkeys(("p50", "p90", "p99", "p99_9")))
    assert judge(VALID, Accuracy(dict.fromkeys(HEADLINE, few), 0, {})) is Judgement.OPEN


def of_level(run, users, verdict=VALID, server_cpu=0.2):
    measured, ids = run
    made = level(measured, truth_of(ids, 5, 397), verdict, server_cpu=server_cpu)
    return type(made)(**{name: getattr(made, name) for name in made.__struct_fields__} | {"users": users})


def test_a_level_says_what_the_generator_costs(run):
    found = of_level(run, 3)
    assert (found.frames_per_s, found.cpu_us_per_frame, found.generator_cpu) == (200.0, 500.0, 0.1)
    assert found.messages_per_s == pytest.approx(401 / 60)


def test_the_largest_level_that_holds_is_what_can_be_measured(run):
    rising = [of_level(run, 100, INVALID), of_level(run, 200), of_level(run, 400, INVALID), of_level(run, 800, INVALID)]
    found = conclude(rising, [], {"cores": 2})
    assert (found.max_users, found.fails_at_users, found.limited_by) == (200, 400, None)


def test_a_server_without_a_core_to_spare_is_named_as_the_limit_though_all_is_measured_right(run):
    found = conclude([of_level(run, 100), of_level(run, 200, server_cpu=0.97)], [], {})
    assert (found.max_users, found.fails_at_users, found.limited_by) == (200, None, "server")


def test_where_no_level_holds_nothing_is_claimed(run):
    found = conclude([of_level(run, 100, INVALID)], [], {})
    assert (found.max_users, found.max_messages_per_s, found.fails_at_users) == (None, None, 100)
