"""What a person reads at the end of a run: golden files, written anew by `REWRITE_GOLDEN=1 pytest tests/report`."""

import os
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, message, ordinary, stage

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.model import SERVER, SHAPE, Batch, Connect, Count, Outcome, ServerSample, Step, Worker
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


def test_the_way_to_the_backend_is_told_where_there_is_something_to_say_of_it(tmp_path):
    counters = [
        *(Count("negotiated", what, 4) for what in ("TLSv1.3", "permessage-deflate")),
        Count("bytes_received", "", 90_000),
        Count("deflate_saved_received", "", 81_000),
        Count("bytes_sent", "", 2_000),
        Count("deflate_saved_sent", "", 500),
    ]
    facts = {"host": "wss://x/ws", "options": {"insecure": True}, "proxy": "proxy.corp:3128"}
    shown = " ".join(as_text(summary_of(stage(tmp_path, [batch(ordinary(), counters=counters)], **facts))).split())
    assert "INSECURE: the backend's certificate was not checked (--insecure)" in shown
    assert "through the proxy proxy.corp:3128, whose time is in every latency" in shown
    assert "negotiated: 4 x TLSv1.3, 4 x permessage-deflate" in shown
    assert "compressed payloads: 90.0 KB in 9.00 KB (10.0 %) received, 2.00 KB in 1.50 KB (75.0 %) sent" in shown


def test_a_login_that_was_not_checked_is_told_whatever_the_backend_speaks(tmp_path):
    facts = {"host": "ws://x/ws", "options": {"insecure": True, "login_url": "https://x/login", "refresh_url": None}}
    shown = as_text(summary_of(stage(tmp_path, [batch(ordinary())], **facts)))
    assert "INSECURE: the login's certificate was not checked (--insecure): whoever answered got the" in shown
    assert "the backend's certificate" not in shown


def test_a_plain_connection_is_nothing_to_speak_of(valid):
    assert not {"negotiated", "compressed", "INSECURE", "proxy"} & set(as_text(valid).replace(":", "").split())


def test_workers_of_other_machines_have_their_clocks_told(tmp_path):
    workers = [Worker("worker-0", "here", 0.0), Worker("worker-1", "there", 0.0, clock_bound_s=0.0004)]
    shown = as_text(summary_of(stage(tmp_path, [batch(ordinary())], workers=workers)))
    assert "clocks of other machines: set to the master's, to within 0.40 ms, which no latency holds" in shown


def test_the_steps_of_a_shape_have_rows_of_their_own(tmp_path):
    steps = [Step(1, 200, START + 20 * SECOND, START + 80 * SECOND)]
    shown = as_text(summary_of(stage(tmp_path, [batch(ordinary()), Batch(SHAPE, 0, steps=steps)])))
    assert "step 1, 200 users" in shown


def test_a_server_in_a_container_is_told_with_what_it_may_use(tmp_path):
    at, half, gigabyte = START + 30 * SECOND, SECOND // 2, 10**9
    within = ServerSample(
        "pid 7", at, SECOND, half, half, gigabyte, 8 * gigabyte, 90, 1024, cpu_limit_ns=SECOND, throttled_ns=60 * MS
    )
    shown = as_text(summary_of(stage(tmp_path, [batch(ordinary()), Batch(SERVER, 0, server=[within])])))
    assert (
        "server, pid 7: 0.50 cores of 1 that it may use, held back by its CPU limit for 6.0 % of the time, busiest "
        "thread 50.0 % of one, 1.00 GB, 90 open files and sockets; FULL: its container's CPU limit, which held it back "
        "for 6 % of the time"
    ) in " ".join(shown.split())


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


def test_streams_of_others_are_told(tmp_path):
    counters = [
        Count("foreign_stream", "completed", 40),
        Count("foreign_stream", "interrupted", 2),
        Count("foreign_stream_frame", "", 1_260),
    ]
    text = as_text(summary_of(stage(tmp_path, [batch(ordinary(), counters=counters)])))
    assert "\nstreams of others: 40 x completed, 2 x interrupted\nstream frames of others: 1,260\n" in text


def test_by_behaviour_each_user_class_has_its_numbers(valid):
    text = as_text(valid, by_behaviour=True)
    for line in (" AboveLimitUser\n", " RoamingUser\n", " WithinLimitUser\n"):
        assert line in text
    assert "AboveLimitUser: 2 messages = 1 delivered + 1 rejected\n" in text
    assert "at or above the limit" not in text
    of_one = text.partition(" WithinLimitUser\n")[2]
    for metric in ("stream rate", "chunk rate", "longest stall", "finish lag"):
        assert f"   {metric} " in of_one
    assert "WithinLimitUser: 101 messages = 101 delivered" in as_markdown(valid, by_behaviour=True)


def test_a_bad_token_that_was_let_in_is_an_alarm(tmp_path):
    at = {"bad_token": "expired", "authenticated_ns": 1_000 * MS}
    connects = [Connect("intruder-0", "IntruderUser", 0, "ok", **at)]
    text = as_text(summary_of(stage(tmp_path, [batch(ordinary(), connects=connects)])))
    assert "bad tokens: ALARM: 1 let in; 0 of 1 refused: 1 x expired: LET IN" in text
