"""What a person reads of a trend: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import csv
import os
from pathlib import Path

import msgspec
from staged_samples import night

from loadtest.analysis.trend import WATCHED, trend
from loadtest.report.figure import save
from loadtest.report.trend_plot import trend_plot
from loadtest.report.trend_table import as_csv, as_json, markdown, text

GOLDEN = Path(__file__).parent / "golden"
RESULT = trend([night(place, 10.0 if place < 9 else 11.8) for place in range(14)], WATCHED, 0.05)


def assert_golden(name, shown):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def test_a_trend_as_text():
    shown = text(RESULT, files="results: trend.png, trend.svg, trend.csv")
    assert max(map(len, shown.splitlines())) <= 100
    assert_golden("trend.txt", shown)


def test_a_trend_as_markdown():
    assert_golden("trend.md", markdown(RESULT))


def test_a_night_among_the_unanswered_and_one_that_is_invalid_are_no_ordinary_ones():
    ack = "ack_delivered.p95"
    quiet = night(1, 30_000.0, silent=[ack])
    result = trend([night(0, 10.0), quiet, night(2, 10.0, status="invalid")], [ack], 0.05, force=True)
    nights = markdown(result).splitlines()[5:8]
    assert [line.split("|")[1].strip() for line in nights] == [
        "2026-11-01 02:00", "2026-11-02 02:00", "2026-11-03 02:00 invalid"
    ]  # fmt: skip
    assert [line.split("|")[3].strip() for line in nights] == ["10.0 ms", "> 30.4 s", "9.91 ms"]
    assert "at least (>): it lies among messages" in text(result)
    assert [row["silent"] for row in csv.DictReader(as_csv(result).splitlines())] == ["", ack, ""]


def test_csv_has_a_row_for_each_run_and_names_the_shift():
    rows = list(csv.DictReader(as_csv(RESULT).splitlines()))
    assert len(rows) == 14
    assert [row["label_build"] for row in rows if row["shifts"]] == ["b09"]
    assert float(rows[3]["ack_delivered.p95_ms"]) == RESULT.rows[3].values["ack_delivered.p95"]


def test_json_names_the_label_at_which_it_shifted():
    content = msgspec.json.decode(as_json(RESULT))
    assert (content["schema"], content["shifts"][0]["label"], content["shifts"][0]["ago"]) == (1, "build=b09", 5)


def test_the_plot_shows_the_shift_and_the_panels(tmp_path):
    save(trend_plot(RESULT), tmp_path / "x.svg")
    drawn = (tmp_path / "x.svg").read_text(encoding="utf-8")
    for words in ("ack delivered p95", "% since build=b09", "delivered ratio", "b00"):
        assert words in drawn
