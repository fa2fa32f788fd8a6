"""What a person reads of a capacity: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import json
import os
from pathlib import Path

import msgspec
from staged_levels import levels

from loadtest.analysis.capacity import capacity
from loadtest.report.capacity_plot import capacity_plot
from loadtest.report.capacity_table import as_json, headline, markdown, text
from loadtest.report.figure import save

GOLDEN = Path(__file__).parent / "golden"
RESULT = capacity(levels(), "found")


def assert_golden(name, shown):
    path = GOLDEN / name
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


def test_a_capacity_as_text():
    assert_golden("capacity.txt", text(RESULT, files="results/capacity-1: capacity.json, capacity.png"))


def test_a_capacity_as_markdown():
    assert_golden("capacity.md", markdown(RESULT))


def test_json_is_the_values():
    assert json.loads(as_json(RESULT))["fails_at_users"] == 4000


def test_headlines():
    found = levels()
    unsure = msgspec.structs.replace(found[5], users=1000)
    told = {
        "passed": headline(capacity(found[:3], "--max-time")),
        "failed": headline(capacity(found[3:4], "nothing passes")),
        "below": headline(capacity([found[3], unsure], "found")),
        "no time": headline(capacity(found[3:4], "--max-time")),
        "generator": headline(capacity(found[:1], "generator")),
        "unsure": headline(capacity(found[5:], "--max-time")),
        "broken off": headline(capacity(found[:3], None, "interrupted")),
    }
    assert told == {
        "passed": "holds 2,000 users or more, 267 messages/s; no level failed. Limited by: --max-time.",
        "failed": "fails with 4,000 users, and no level passed. --slo: in-flight grows 11.2/s with 4,000 already; "
        "loosen it, or look at the server. Limited by: server: 1 core at 99 %.",
        "below": "fails with 4,000 users, and with 1,000 it cannot be told. Limited by: server: 1 core at 99 %.",
        "no time": "fails with 4,000 users, and with fewer it is not known. Limited by: server: 1 core at 99 %.",
        "generator": "the load generator is the limit, so the capacity is not known: holds 500 users or more. Limited "
        "by: generator: .",
        "unsure": "no level passed for certain. Limited by: --max-time.",
        "broken off": "BROKEN OFF: holds 2,000 users or more, 267 messages/s; no level failed.",
    }


def test_a_picture_is_drawn_of_any_levels(tmp_path):
    for number in (1, len(levels())):
        file = tmp_path / f"capacity-{number}.svg"
        save(capacity_plot(capacity(levels()[:number]), "ws://a/ws"), file)
        drawn = file.read_text()
        assert "ack_delivered.p99" in drawn
        assert ("FAIL" in drawn) == (number > 1)
