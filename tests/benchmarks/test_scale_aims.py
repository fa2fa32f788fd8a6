"""Whether the figures of `benchmarks/scale` reach their aims: each that can be missed is."""

import json
from pathlib import Path

import pytest

from benchmarks.scale import aims
from benchmarks.scale.figures import agreement

HELD = {
    "asked": 2_000, "held_at_the_end": 2_001, "failed": 0, "failures": {}, "outages": 0, "unaccounted": 0,
    "missing_processes": [],
}  # fmt: skip
MERGED = {
    "records": 81_600, "records_per_s": 5_098, "offered": 81_600, "lost": 0, "missing_processes": [],
    "lost_reports": [], "master_cpu_share": 0.49,
}  # fmt: skip


def missed(part, figures):
    return [str(aim) for aim in aims.OF[part](figures) if not aim.reached]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"held_at_the_end": 2_000}, "MISSED: 2,000 connections held beside the preflight's: 2,000"),
        ({"failed": 3, "failures": {"timeout": 3}}, "MISSED: none failed to connect: 3 x timeout"),
        ({"unaccounted": 1}, "MISSED: ledger closed: unaccounted 1, outages 0, processes missing 0"),
        ({"outages": 2}, "MISSED: ledger closed: unaccounted 0, outages 2, processes missing 0"),
        ({"missing_processes": ["worker-1"]}, "MISSED: ledger closed: unaccounted 0, outages 0, processes missing 1"),
    ],
)
def test_connections_are_held_by_all_and_none_has_failed(change, line):
    assert missed("held", HELD) == []
    assert missed("held", HELD | change) == [line]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"records_per_s": 4_999}, "MISSED: 5,000 records a second: 4,999"),
        ({"records": 81_599}, "MISSED: no record lost: 1 of 81,600"),
        ({"lost": 2}, "MISSED: no record lost: 2 of 81,600"),
        ({"lost_reports": ["2 reports were lost"]}, "MISSED: no record lost: 0 of 81,600"),
        ({"master_cpu_share": 0.5}, "MISSED: master under 0.5 of a core: 0.5"),
    ],
)
def test_records_are_merged_at_their_rate_without_a_loss_by_half_a_core(change, line):
    assert missed("merged", MERGED) == []
    assert missed("merged", MERGED | change) == [line]


def summary(ack_ms, ttft_ms):
    """One that has no more than what is compared."""
    metrics = {"ack_delivered": {"p50": ack_ms, "p95": 2 * ack_ms}, "ttft": {"p50": ttft_ms, "p95": 2 * ttft_ms}}
    return {"metrics": metrics, "counts": {"sent": 2_000}, "verdict": {"status": "valid", "reasons": []}}


NOISE = (1.01, 0.99, 1.02, 0.98, 1.0)


def of_pairs(ack=1.0, ttft=1.0, noise=NOISE):
    """Pairs of runs, of which those by four workers have so many times the latencies, give or take the noise."""
    alone = [summary(0.5, 344.0) for _ in noise]
    return agreement(alone, [summary(0.5 * ack * wobble, 344.0 * ttft * wobble) for wobble in noise])


def test_one_process_and_four_agree_where_runs_show_no_difference_or_none_that_matters():
    assert missed("agree", of_pairs()) == []
    assert missed("agree", of_pairs(ttft=1.025)) == [], "shown, and within 5 %"
    assert missed("agree", of_pairs(ttft=1.03, noise=(1.02, 0.98, 1.04, 0.96, 1.0))) == [], "not shown, and below 10 %"


def test_runs_that_differ_too_much_to_tell_agree_on_nothing():
    lines = missed("agree", of_pairs(noise=(1.0, 0.9, 1.1, 0.87, 1.15)))
    assert [line.split()[1] for line in lines] == ["ack_delivered.p50", "ack_delivered.p95", "ttft.p50", "ttft.p95"]


def test_a_difference_that_all_pairs_have_is_none_of_chance():
    """0.42 ms against 0.50: the runs of a side differ by 2 %."""
    assert missed("agree", of_pairs(ack=0.84)) == [
        "MISSED: ack_delivered.p50 agrees: by four workers 0.840 [0.824, 0.857] times that of one process",
        "MISSED: ack_delivered.p95 agrees: by four workers 0.840 [0.824, 0.857] times that of one process",
    ]


def test_a_single_pair_shows_nothing():
    lines = missed("agree", of_pairs(noise=[1.0]))
    assert len(lines) == 4
    told = "by four workers 1.000 times that of one process, in a single pair"
    assert lines[0] == f"MISSED: ack_delivered.p50 agrees: {told}"


def test_runs_that_cannot_vouch_for_their_numbers_agree_on_nothing():
    figures = of_pairs() | {"verdicts": [["valid", "valid"], ["suspect", "invalid"]]}
    assert missed("agree", figures) == ["MISSED: no run is invalid: 1 of 4"]


def test_what_each_run_found_is_kept():
    found = of_pairs(ack=0.84)
    assert found["rows"][0]["one_process"] == [0.5] * 5
    assert found["rows"][0]["four_workers"] == pytest.approx([0.42 * wobble for wobble in NOISE])
    assert found["verdicts"] == [["valid"] * 5, ["valid"] * 5]
    assert found["messages"] == [[2_000] * 5, [2_000] * 5]


def test_the_figures_that_are_kept_have_all_that_is_judged():
    kept = json.loads((Path(__file__).parents[2] / "benchmarks" / "scale.json").read_bytes())
    assert all(aims.OF[part](kept[part]) for part in aims.OF)
