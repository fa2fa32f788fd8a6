"""A short version of `benchmarks/comparisons.py`, and the figures that its full version left."""

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def comparisons(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import comparisons as module  # noqa: PLC0415

    yield module
    sys.modules.pop("comparisons", None)


def test_one_build_is_rarely_told_from_itself(comparisons):
    row = comparisons.alarms(comparisons.NOISES[2], 8, True, 200)
    assert row.alarms <= 0.07
    assert 0.91 <= row.covered <= 0.99


def test_ten_percent_are_found_with_the_pairs_recommended(comparisons):
    row = comparisons.found(comparisons.NOISES[1], 60)
    assert row.found >= 0.8


def test_the_full_figures_keep_what_is_promised():
    figures = json.loads((FOLDER / "comparisons.json").read_text())
    for row in figures["alarms"]:
        assert row["experiments"] == 4_000
        assert max(row["alarms"], row["t_below_5_percent"]) <= 0.057
        assert 0.93 <= row["covered"] <= 0.97
    for row in figures["power"]:
        assert row["found"] >= 0.8
        assert 0.93 <= row["covered"] <= 0.97
