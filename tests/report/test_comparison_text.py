"""What a person reads of a comparison: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import os
from pathlib import Path

import msgspec
import pytest
from staged_samples import dead, pairs, sample, silent

from loadtest.analysis.compare import Comparison, Terms, compare
from loadtest.analysis.pairs import Matched
from loadtest.report.comparison_table import as_json, cells, markdown, text

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "regressed": (pairs(1.14), Terms()),
    "improved": (pairs(0.88), Terms()),
    "equivalent": (pairs(1.01), Terms()),
    "inconclusive": (pairs(1.04, noise=6), Terms()),
    "same": (pairs(1.0, noise=3), Terms(same=True)),
    "short": (pairs(1.0, missing=("ack_delivered.p95",)), Terms()),
    "descriptive": (Matched([sample("a")], [sample("b", quantities={"ack_delivered.p95": 14})], False), Terms()),
    "dead": (dead(), Terms()),
    "wide": (pairs(1.0, noise=150, count=2), Terms()),
    "provider": (pairs(1.3, key="ttft.p95"), Terms(live_provider=True)),
}


def assert_golden(name, shown):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_a_comparison_as_text(name):
    shown = text(compare(*CASES[name]), files="results/ab-x: comparison.json, shift.png")
    assert max(map(len, shown.splitlines())) <= 100
    assert_golden(f"comparison-{name}.txt", shown)


def test_the_side_that_fell_silent_is_the_one_marked():
    ack = compare(silent(base=8), Terms()).metrics["ack_delivered.p95"]
    assert cells(ack)[1:3] == ("> 30.0 s", "10.0 ms")


def test_a_comparison_as_markdown():
    assert_golden("comparison.md", markdown(compare(*CASES["regressed"])))


def test_json_comes_back_as_it_went_and_keeps_the_contract():
    result = compare(*CASES["regressed"])
    assert msgspec.json.decode(as_json(result), type=Comparison) == result
    content = msgspec.json.decode(as_json(result))
    assert (content["schema"], content["verdict"]) == (1, "regressed")
    ack = content["metrics"]["ack_delivered.p95"]
    assert (ack["verdict"], ack["pairs"]) == ("regressed", 8)
    assert ack["ci95"][0] < 1.14 < ack["ci95"][1]
