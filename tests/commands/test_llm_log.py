"""The log of the stand-in for the model, taken in at the end of the run that named it."""

import json

import pytest
from staged_run import batch, ordinary, stage

from loadtest.commands.llm_log import take_in
from loadtest.commands.opened import open_run
from loadtest.runs.standin import KEPT

MS = 1_000_000


def line(message_id, ttft_ms):
    """A request on another machine, whose monotonic clock is another."""
    times = {"received_ns": 77, "ended_ns": 77 + 900 * MS, "ttft_ns": ttft_ms * MS}
    return json.dumps({"messageId": message_id, "ended": "complete", "status": 200} | times)


@pytest.fixture
def run(tmp_path):
    """Answers that begin 400 ms after their messages, and a log of which the model took 390 ms but for two."""
    messages = ordinary()
    log = tmp_path / "llm.jsonl"
    named = [each.message_id for each in messages if each.first_content_ns][:-1]
    log.write_text("\n".join([line("msg-of-another-run", 1), *(line(name, 390) for name in named), line(named[0], 5)]))
    folder = stage(tmp_path / "results", [batch(messages)], options={"llm_log": str(log)})
    return folder, log


def test_the_overhead_is_time_to_first_token_less_the_models(run, capsys):
    folder, _ = run
    take_in(folder)
    summary = open_run(folder).summary
    overhead = summary.metrics["ttft_overhead"]
    assert (overhead.count, overhead.min, overhead.max) == (99, 10.0, 10.0)  # of 100 headline ones in the window
    assert summary.seen["first_token_of_model"] == {
        "matched": 101,
        "with several answers": 1,
        "without a request": 1,
    }
    assert summary.seen["model_request"] == {"complete": 103}
    assert capsys.readouterr().err == ""


def test_once_kept_it_stays_whatever_becomes_of_the_log(run, capsys):
    folder, log = run
    take_in(folder)
    kept = (folder / KEPT).read_text()
    log.write_text("of something else")
    take_in(folder)
    assert (folder / KEPT).read_text() == kept
    log.unlink()
    take_in(folder)
    assert capsys.readouterr().err == ""


def test_a_log_that_is_elsewhere_costs_the_run_nothing_and_can_be_brought(run, capsys):
    folder, log = run
    away = log.rename(log.with_name("elsewhere.jsonl"))
    take_in(folder)
    assert f"Put the log there, and: loadtest finish {folder}" in capsys.readouterr().err
    assert open_run(folder).summary.metrics["ttft_overhead"].count == 0
    away.rename(log)
    take_in(folder)
    assert open_run(folder).summary.metrics["ttft_overhead"].count == 99


def test_a_log_that_names_no_message_of_the_run_is_said_to(run, capsys):
    folder, log = run
    log.write_text(line("msg-of-another-run", 5))
    take_in(folder)
    assert "none of the 1 requests in" in capsys.readouterr().err
    assert not (folder / KEPT).exists()


def test_a_run_that_named_no_log_is_left_alone(tmp_path, capsys):
    folder = stage(tmp_path / "results", [batch(ordinary())])
    take_in(folder)
    summary = open_run(folder).summary
    assert summary.metrics["ttft_overhead"].count == 0
    assert "first_token_of_model" not in summary.seen
