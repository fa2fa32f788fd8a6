"""What a person reads of a self-test: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import os
from pathlib import Path

import msgspec
import pytest

from loadtest.analysis.accuracy import Accuracy, MetricAccuracy, percentile_error
from loadtest.analysis.selftest import Level, Selftest, conclude, judge
from loadtest.analysis.values import Verdict
from loadtest.report.figure import save
from loadtest.report.selftest_plot import selftest_plot
from loadtest.report.selftest_table import as_json, markdown, text

GOLDEN = Path(__file__).parent / "golden"
VALID = Verdict("valid", [])
LATE = Verdict("invalid", ["the load generator was the limit: loop lag p99 84 ms; use --processes 4"])
TRUE_MS = {"ack_delivered": 0.5, "ttft": 201.0, "stream_completion": 781.0}


def level(users, errors_ms, verdict=VALID, disturbance="", cpu=0.2):
    """A level whose three metrics are off by so much at p50, p90, p99; p99.9 is known from 800 users on."""
    metrics = {}
    for (key, true), (p50, p90, p99) in zip(TRUE_MS.items(), errors_ms, strict=True):
        errors = {"p50": p50, "p90": p90, "p99": p99, "p99_9": p99 if users >= 800 else None}
        found = {name: None if off is None else percentile_error(true + off, true) for name, off in errors.items()}
        metrics[key] = MetricAccuracy(users * 3, 0, found)
    accuracy = Accuracy(metrics, 0, {"p50": 0.4, "p90": 0.6, "p99": 1.1, "p99_9": None})
    return Level(
        disturbance=disturbance,
        users=users,
        messages_per_s=users / 2,
        frames_per_s=users * 17.0,
        cpu_us_per_frame=41.3,
        generator_cpu=cpu,
        server_cpu=0.5,
        verdict=verdict,
        accuracy=accuracy,
        judgement=judge(verdict, accuracy),
        folder="20261124T020000Z-chat",
    )


FINE = ((0.006, 0.007, 0.02), (0.006, 0.008, 0.9), (0.006, 0.01, 0.3))
OFF = ((0.1, 1.5, 33.5), (0.2, 30.0, 104.3), (0.2, 44.0, 101.0))


@pytest.fixture
def result():
    levels = [level(200, FINE), level(800, FINE, cpu=0.6), level(1600, OFF, LATE, cpu=0.98)]
    return conclude(
        levels, [level(200, OFF, LATE, "stopped for 100 ms twice a second")], {"machine": "x86_64", "cores": 1}
    )


def assert_golden(name, shown):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def test_a_selftest_as_text(result):
    shown = text(result, files="results/selftest-x: selftest.json")
    assert max(map(len, shown.splitlines())) <= 100
    assert_golden("selftest.txt", shown)


def test_a_selftest_as_markdown(result):
    assert_golden("selftest.md", markdown(result))


def test_a_broken_promise_is_said_loudly():
    shown = text(conclude([level(200, OFF)], [], {}))
    assert "BROKEN PROMISE: 200 users was called valid with an error beyond what is allowed" in shown
    assert "measures none of these loads" in shown


def test_json_comes_back_as_it_went(result):
    assert msgspec.json.decode(as_json(result), type=Selftest) == result
    assert msgspec.json.decode(as_json(result))["schema"] == 1


def test_the_plot_names_every_curve(result, tmp_path):
    save(selftest_plot(result), tmp_path / "x.svg")
    drawn = (tmp_path / "x.svg").read_text(encoding="utf-8")
    for words in ("ack delivered, disturbed", "time to first token", "generator", "server", "up to 800 users"):
        assert words in drawn
