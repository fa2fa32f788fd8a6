"""What a gate says: golden files for each verdict, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec import structs
from staged_run import STEADY_S, answered, batch, message, ordinary, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import Outcome
from loadtest.objectives import objective
from loadtest.report import gate
from loadtest.report.junit import junit
from loadtest.report.render import as_markdown, as_text
from loadtest.runs.reader import RunReader

GOLDEN = Path(__file__).parent / "golden"
MET = ("ack_delivered.p95 < 250ms", "ttft.p90 < 1.2s", "stream_rate.p50 > 100chars/s", "lost == 0", "goodput > 90%")
"""Of the ordinary run: 100 messages, acked after 1 to 100 ms."""
OPEN = ("ack_delivered.p95 < 97ms", "ack_delivered.p99 < 250ms", "delivered_ratio > 99.9%")
MISSED = ("ack_delivered.p50 < 20ms", "goodput > 95%", "sent < 100")


@pytest.fixture
def summary_of(tmp_path):
    def summed_up(*texts, messages=None, **facts):
        with RunReader(stage(tmp_path, [batch(messages or ordinary())], **facts)) as run:
            return summarize(Measured(load(run)), [objective(text) for text in texts])

    return summed_up


CASES = {
    "pass": ({}, MET),
    "inconclusive": ({}, (*MET[:2], *OPEN)),
    "fail": ({}, (*MET[:1], *OPEN[1:2], *MISSED)),
    "aborted": ({"aborted": "lost > 5: 6 by then, 14 s after the start", "ended_by": "abort"}, ("lost == 0",)),
    "invalid": ({"missing_processes": ["worker-1"]}, MET[:2]),
}


@pytest.fixture(params=CASES)
def case(request, summary_of):
    facts, texts = CASES[request.param]
    summary = summary_of(*texts, **facts)
    return request.param, summary


def assert_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_each_verdict_as_text(case):
    name, summary = case
    assert_golden(f"gate-{name}.txt", gate.text(summary, summary.objectives))


def test_each_verdict_as_markdown(case):
    name, summary = case
    assert_golden(f"gate-{name}.md", gate.markdown(summary, summary.objectives))


def test_the_verdict_as_json(summary_of):
    summary = summary_of(*CASES["inconclusive"][1])
    assert_golden("gate-inconclusive.json", gate.as_json(summary, summary.objectives) + "\n")


def test_each_verdict_as_junit(case):
    name, summary = case
    text = junit(summary, summary.objectives)
    assert_golden(f"gate-{name}.xml", text)
    (suite,) = ElementTree.fromstring(text)
    assert int(suite.get("tests")) == len(suite.findall("testcase")) == 1 + len(summary.objectives.results)
    for kind in ("failure", "error", "skipped"):
        attribute = kind if kind == "skipped" else f"{kind}s"
        assert int(suite.get(attribute)) == len(suite.findall(f"testcase/{kind}"))


def test_the_end_of_a_run_says_the_same(summary_of):
    summary = summary_of(*MISSED)
    rows = [line for line in gate.text(summary, summary.objectives).splitlines() if "FAIL" in line]
    assert len(rows) == 4
    assert set(rows) <= set(as_text(summary).splitlines())
    assert "**objectives: FAIL: 3 missed**" in as_markdown(summary)


def test_an_interval_among_the_unanswered_is_told_as_far_as_it_is_known(summary_of):
    silent = [message(300 + n, STEADY_S + n, Outcome.TIMEOUT) for n in range(11)]
    summary = summary_of("ack_delivered.p95 < 1s", "ack_delivered.p90 < 1s", messages=ordinary() + silent)
    shown = gate.text(summary, summary.objectives)
    assert "> 30 s [" in shown
    assert ", ∞]" in shown


def test_nearly_all_is_not_all(summary_of):
    summary = summary_of("delivered_ratio > 99%")
    (result,) = summary.objectives.results
    nearly = structs.replace(result, value=0.99998, ci95=(0.99991, 0.999999))
    shown = gate.text(summary, structs.replace(summary.objectives, results=(nearly,)))
    assert "99.998 [99.99, 99.9999] %" in shown


def test_characters_that_xml_cannot_hold_are_replaced(summary_of):
    hostile = summary_of("lost == 0", host="ws://\x00\x1b[31m/<&>")
    (suite,) = ElementTree.fromstring(junit(hostile, hostile.objectives))
    assert suite.find("properties/property[@name='host']").get("value") == "ws://��[31m/<&>"


def test_json_has_the_limits_in_base_units(summary_of):
    summary = summary_of("ttft.p95 < 1.2s", "goodput > 90%")
    first, second = json.loads(gate.as_json(summary, summary.objectives))["objectives"]
    assert (first["limit"], first["unit"], first["verdict"]) == (1200.0, "ms", "pass")
    assert (second["limit"], second["unit"], second["value"]) == (0.9, "ratio", 1.0)


def test_messages_beyond_the_limit_count_against_goodput(summary_of):
    late = [answered(300 + n, STEADY_S + n, 300) for n in range(10)]
    summary = summary_of("ack_delivered.p90 < 250ms", messages=ordinary() + late)
    assert "100 of 110 messages delivered within ack_delivered < 250ms" in gate.text(summary, summary.objectives)
