"""Objectives as people write them: what is read, and what is said about what cannot be."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from staged_run import batch, ordinary, stage

from loadtest.analysis.ledger import count
from loadtest.analysis.records import load
from loadtest.metrics import METRICS, Better
from loadtest.objectives import (
    Comparison,
    Kind,
    abort_condition,
    checked,
    demanded,
    objective,
    per_message_limits,
    quantile,
)
from loadtest.objectives.names import COUNTS, RATIOS
from loadtest.runs.reader import RunReader


@pytest.mark.parametrize(
    ("text", "name", "comparison", "limit", "unit"),
    [
        ("ack_delivered.p99 < 250ms", "ack_delivered.p99", Comparison.BELOW, 250.0, "ms"),
        ("  ttft.p95<=1.2 s ", "ttft.p95", Comparison.AT_MOST, 1_200.0, "ms"),
        ("send_lag.p50 < 500us", "send_lag.p50", Comparison.BELOW, 0.5, "ms"),
        ("recovery.max < 2m", "recovery.max", Comparison.BELOW, 120_000.0, "ms"),
        ("ack_delivered.p99.9 < 1s", "ack_delivered.p99.9", Comparison.BELOW, 1_000.0, "ms"),
        ("ack_delivered.p99_9 < 1s", "ack_delivered.p99.9", Comparison.BELOW, 1_000.0, "ms"),
        ("stream_rate.p50 > 40chars/s", "stream_rate.p50", Comparison.ABOVE, 40.0, "chars/s"),
        ("retry_after_error.p50 > 10ms", "retry_after_error.p50", Comparison.ABOVE, 10.0, "ms"),
        ("delivered_ratio > 99.9%", "delivered_ratio", Comparison.ABOVE, 0.999, "ratio"),
        ("goodput >= 0.95", "goodput", Comparison.AT_LEAST, 0.95, "ratio"),
        ("stream_complete_ratio >= 100%", "stream_complete_ratio", Comparison.AT_LEAST, 1.0, "ratio"),
        ("leaks == 0", "leaks", Comparison.EXACTLY, 0.0, "count"),
        ("delivered > 1000", "delivered", Comparison.ABOVE, 1_000.0, "count"),
    ],
)
def test_what_is_read(text, name, comparison, limit, unit):
    read = objective(text)
    assert (read.name, read.comparison, read.limit, read.unit) == (name, comparison, limit, unit)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ack_deliverd.p99 < 250ms", "'ack_deliverd' is no metric, ratio or count; did you mean ack_delivered?"),
        ("ack.p99 < 250ms", "did you mean ack_received or ack_delivered or backoff?"),
        ("Delivered-Ratio > 9%", "did you mean delivered_ratio?"),
        ("leak == 0", "did you mean leaks?"),
        ("zzz < 1", "'zzz' is no metric, ratio or count; there are login, connect, ack_received"),
        ("ack_delivered < 250ms", "say which percentile of it, as in ack_delivered.p99"),
        ("ack_delivered.p98 < 1s", "no such percentile; there are p50, p90, p95, p99, p99.9, max"),
        ("ack_delivered.p99 < 250", "'250' has no unit: give 250ms or 250s"),
        ("ack_delivered.p99 < 250%", "'250%' has a unit that ack_delivered has not: give 250ms or 250s"),
        ("stream_rate.p50 > 40", "'40' has no unit: give 40chars/s"),
        ("delivered_ratio > 99.9", "'99.9' has no unit: delivered_ratio is a share, give 99.9%"),
        ("delivered_ratio >= 1", "'1' has no unit: delivered_ratio is a share, give 100%"),
        ("delivered_ratio > 99ms", "'99ms' has a unit that delivered_ratio has not: give 99%"),
        ("delivered_ratio > 101%", "is more than all"),
        ("delivered_ratio > 100%", "no share is above 100%; give >= 100%"),
        ("delivered_ratio.p99 > 99%", "delivered_ratio is a ratio and has no p99; give delivered_ratio"),
        ("leaks == 0ms", "leaks is a count; give a whole number without a unit"),
        ("leaks < 1.5", "leaks is a count"),
        ("leaks < 0", "no count is below 0; give == 0"),
        ("ttft.p95 < fast", "'fast' is no limit of ttft: give a number with its unit, as in 250ms"),
        ("ttft.p95 < -3ms", "'-3ms' is no limit"),
        ("ttft.p95 == 3ms", "only counts can be held to =="),
        ("ttft.p95 > 3ms", "less is better of ttft, so an objective takes <"),
        ("delivered_ratio < 3%", "more is better of delivered_ratio, so an objective takes >"),
        ("ttft.p95 =< 3ms", "is no objective: give metric, comparison and limit"),
        ("ttft.p95 <", "is no objective"),
        ("< 3ms", "is no objective"),
        ("", "is no objective"),
    ],
)
def test_what_is_said_about_what_cannot_be_read(text, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        objective(text)
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from(METRICS), st.sampled_from(["p50", "p90", "p95", "p99", "p99.9", "max"]), st.integers(0, 10**6),
    st.booleans(),
)  # fmt: skip
def test_the_text_of_an_objective_reads_back_as_the_same(metric, statistic, number, strict):
    sign = (">" if metric.better is Better.HIGHER else "<") + ("" if strict else "=")
    read = objective(f"{metric.key}.{statistic}{sign}{number / 1000} {metric.unit}")
    assert objective(read.text) == read
    assert read.met_by(read.limit) is not strict


def test_every_count_of_a_run_can_be_asked_about(tmp_path):
    with RunReader(stage(tmp_path, [batch(ordinary())])) as run:
        assert set(count(load(run))) <= set(COUNTS)


def test_a_name_means_one_thing():
    names = [*(metric.key for metric in METRICS), *RATIOS, *COUNTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "texts",
    [
        ("leaks > 5", "leaks == 0"),
        ("delivered >= 1000", "delivered < 1000"),
        ("streams_started > 3", "streams_started < 4"),
        ("retry_after_error.p50 > 200ms", "retry_after_error.p50 < 100ms"),
        ("retry_after_error.p50 > 1s", "retry_after_error.p99 <= 1s"),
        ("chunk_rate.p95 >= 50chunks/s", "chunk_rate.max < 50chunks/s"),
    ],
)
def test_two_objectives_that_no_run_can_meet_are_refused(texts):
    low, high = texts
    for order in (texts, texts[::-1]):
        with pytest.raises(ValueError, match="no run can meet both") as caught:
            demanded(["ttft.p95 < 1s", *order])
        assert str(caught.value) == f"no run can meet both {low!r} and {high!r}; leave one of them out"


@pytest.mark.parametrize(
    "texts",
    [
        ("ack_delivered.p50 < 300ms", "ack_delivered.p99 < 100ms"),
        ("retry_after_error.p99 > 200ms", "retry_after_error.p50 < 100ms"),
        ("retry_after_error.p50 >= 1s", "retry_after_error.p99 <= 1s"),
        ("retry_after_error.p50 > 200ms", "backoff.p50 < 100ms"),
        ("delivered > 3", "delivered < 5"),
        ("leaks == 0", "leaks < 1"),
    ],
)
def test_two_objectives_that_a_run_can_meet_are_both_kept(texts):
    assert [each.text for each in demanded(texts).objectives] == list(texts)


# --- what ends a run early --------------------------------------------------------------------------------------------
def test_a_condition_is_the_reverse_of_an_objective():
    assert abort_condition("ack_delivered.p99 > 5s").limit == 5_000.0
    assert abort_condition("delivered_ratio < 50%").kind is Kind.RATIO
    assert abort_condition("lost > 100").subject == "lost"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ack_delivered.p99 < 5s", "a run that is lost takes >"),
        ("delivered_ratio > 50%", "a run that is lost takes <"),
        ("fanout.p50 > 5s", "fanout.p50 is not known while a run goes on; there are ack_received"),
        ("ack_delivered.max > 5s", "not known while a run goes on"),
        ("leaks > 5", "not known while a run goes on"),
    ],
)
def test_a_condition_that_cannot_be_watched(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        abort_condition(text)


# --- files ------------------------------------------------------------------------------------------------------------
def test_a_file_holds_objectives_and_conditions(tmp_path):
    file = tmp_path / "slo.toml"
    file.write_text('objectives = ["ttft.p95 < 1.2s", "leaks == 0"]\nabort_on = ["lost > 100"]\n')
    read = demanded([str(file), "goodput > 90%"], ["error > 5"])
    assert [each.name for each in read.objectives] == ["ttft.p95", "leaks", "goodput"]
    assert [each.text for each in read.abort_on] == ["lost > 100", "error > 5"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("objectives = [", "is no TOML"),
        ('objective = ["ttft.p95 < 1.2s"]', "'objective' is no key"),
        ("objectives = 5", "is no list of texts"),
        ("objectives = [5]", "is no list of texts"),
        ("", "holds no objective"),
        ('objectives = ["ttft.p95 < 1.2"]', "'1.2' has no unit"),
        ('objectives = ["ttft.p95 < 1s"]\nabort_on = ["ttft.p95 < 1s"]', "a run that is lost takes >"),
        ("\udcff", "is no TOML"),
    ],
)
def test_a_file_that_will_not_do_is_named(tmp_path, content, complaint):
    file = tmp_path / "slo.toml"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=complaint) as caught:
        demanded([str(file)])
    assert str(caught.value).startswith(str(file))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.toml: no such file; give one, or an objective as in"):
        demanded([str(tmp_path / "nowhere.toml")])
    with pytest.raises(ValueError, match="cannot be read"):
        demanded([str(tmp_path)])


def test_a_forgotten_comparison_is_no_file_name():
    assert checked("slo.toml") == "slo.toml"
    for text in ("ack_delivered.p99", "leaks", " "):
        with pytest.raises(ValueError, match="is no objective"):
            checked(text)


# --- goodput ----------------------------------------------------------------------------------------------------------
def test_messages_are_held_to_the_limit_of_the_highest_percentile():
    given_ = [
        "ttft.p50 < 400ms",
        "ttft.p95 < 1s",
        "ack_delivered.max < 2s",
        "ack_delivered.p99 < 1s",
        "connect.p50 < 1s",
    ]
    limits = per_message_limits([objective(text) for text in given_])
    assert {key: each.limit for key, each in limits.items()} == {"ttft": 1_000.0, "ack_delivered": 2_000.0}
    assert quantile(limits["ack_delivered"]) == 1.0
