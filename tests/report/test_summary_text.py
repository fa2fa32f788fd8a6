"""What a person reads at the end of a run: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import os
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from staged_run import MS, STEADY_S, answered, batch, message, ordinary, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import Outcome
from loadtest.report.render import as_json, as_markdown, as_text
from loadtest.runs.reader import RunReader

GOLDEN = Path(__file__).parent / "golden"


def summary_of(folder):
    with RunReader(folder) as run:
        return summarize(Measured(load(run)))


@pytest.fixture
def valid(tmp_path):
    return summary_of(stage(tmp_path, [batch(ordinary())]))


@pytest.fixture
def invalid(tmp_path):
    silent = [message(300 + n, STEADY_S + n, Outcome.TIMEOUT, reason="no ack") for n in range(11)]
    return summary_of(stage(tmp_path, [batch(ordinary() + silent)], missing_processes=["worker-1"]))


def assert_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_valid_run_as_text(valid):
    assert_golden("valid.txt", as_text(valid))


def test_a_valid_run_as_markdown(valid):
    assert_golden("valid.md", as_markdown(valid))


def test_frames_that_share_a_stamp_leave_their_times_open_by_so_much(tmp_path):
    bounded = [answered(n, STEADY_S + n * 0.1, 5, first_content_bound_ns=MS * n // 1_000) for n in range(500)]
    summary = summary_of(stage(tmp_path, [batch(bounded)]))
    gaps = structs.replace(summary.metrics["inter_chunk"], count=900, p50=30.0)
    metrics = summary.metrics | {"inter_chunk": gaps, "gap_bound": structs.replace(gaps, p99=0.31)}
    shown = as_text(structs.replace(summary, metrics=metrics)).splitlines()
    assert any(line.startswith(" time to first token, ±0.49 ms  ") for line in shown)
    assert any(line.startswith(" inter-chunk gap, ±0.31 ms  ") for line in shown)
    assert "± p99 of how much earlier frames may have arrived that share a receive stamp" in shown


def test_an_invalid_run_as_text(invalid):
    assert_golden("invalid.txt", as_text(invalid, files="results/x: percentiles.png"))


def test_an_invalid_run_as_markdown(invalid):
    assert_golden("invalid.md", as_markdown(invalid))


def test_json_has_no_infinity_and_comes_back_as_it_went(invalid):
    text = as_json(invalid)
    assert "Infinity" not in text
    assert msgspec.json.decode(text)["verdict"]["status"] == "invalid"
    assert msgspec.json.decode(text, type=type(invalid)) == invalid


def test_text_of_a_server_is_no_markup(tmp_path):
    hostile = [message(300, STEADY_S, Outcome.ERROR, reason="<b>|[x](y)`*")]
    shown = as_markdown(summary_of(stage(tmp_path, [batch(ordinary() + hostile)])))
    assert r"\<b>\|\[x](y)\`\*" in shown
