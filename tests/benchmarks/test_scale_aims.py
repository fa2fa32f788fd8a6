"""Whether the figures of `benchmarks/scale` reach their aims: each that can be missed is."""

import json
from pathlib import Path

import pytest

from benchmarks.scale import aims

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


@pytest.mark.parametrize("overlap", [False, None])
def test_each_figure_of_one_process_and_of_four_has_to_agree(overlap):
    one = {"metric": "ttft.p50", "one_process": 344.7, "one_ci95": [337.1, 355.1]}
    row = one | {"four_workers": 380.0, "four_ci95": [371.0, 390.0]}
    assert missed("agree", {"rows": [row | {"overlap": True}]}) == []
    (line,) = missed("agree", {"rows": [row | {"overlap": overlap}]})
    assert line == "MISSED: ttft.p50 agrees: 344.7 [337.1, 355.1] by one process, 380.0 [371.0, 390.0] by four"


def test_the_figures_that_are_kept_have_all_that_is_judged():
    kept = json.loads((Path(__file__).parents[2] / "benchmarks" / "scale.json").read_bytes())
    assert all(aims.OF[part](kept[part]) for part in aims.OF)
