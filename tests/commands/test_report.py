"""`loadtest report`: one page that needs nothing else, and that answers first."""

import json
import re
import shlex
import sqlite3
from contextlib import closing
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from in_process import loadtest
from staged_run import MS, SECOND, START, STEADY_S, answered, batch, message, ordinary, stage

from loadtest.commands.opened import open_run
from loadtest.commands.page import write_page
from loadtest.model import Cause, Connect, Count, Ghost, Login, Outage, Outcome, Population
from loadtest.objectives import objective
from loadtest.report.render import as_json


def page_of(run):
    assert loadtest("report", run) == (0, f"{run / 'report.html'}\n", "")
    return (run / "report.html").read_text()


VOID = {"meta", "br", "path", "use", "rect", "stop"}


class Reader(HTMLParser):
    """What a person reads, what a page fetches, and whether its elements close."""

    def __init__(self, page):
        super().__init__()
        self.text, self.fetched, self.open, self.ids = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.fetched += [found[name] for name in ("src", "href", "xlink:href") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    hostile = message(300, 40, Outcome.ERROR, reason="<script>alert(1)</script>")
    logins = [Login("user-0", START, START + 20 * MS, "ok"), Login("user-1", START, START + 20 * MS, "http 500")]
    run = stage(tmp_path_factory.mktemp("results"), [batch([*ordinary(), hostile], logins=logins)])
    with closing(sqlite3.connect(run / "run.db")) as database, database:
        database.execute("INSERT OR REPLACE INTO run VALUES ('notices', ?)", (json.dumps(["one account for all"]),))
    return page_of(run)


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


def test_it_is_well_formed_and_fetches_nothing(read):
    assert read.open == []
    assert all(target.startswith("#") for target in read.fetched)
    assert len(read.ids) == len(set(read.ids)) > 10


def test_the_answers_stand_in_front(read):
    text = " ".join(" ".join(read.text).split())
    places = [
        text.index(words)
        for words in (
            "valid run", "Did it pass?", "What was slowest?", "Was anything lost?", "Was the generator sound?",
            "Is it worse than the last one?", "Noticed while it ran", "Not asked", "metric p50 p90",
            "by ack delivered", "failed: http 500", "CPU of a core", "run folder",
            "How each number is defined",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "not asked" in text[places[1] : places[2]]
    assert "1 error" in text[places[3] : places[4]]


def test_the_command_that_judges_it_can_be_pasted(tmp_path):
    text = undrawn(stage(tmp_path, [batch(ordinary())], options={"results": "load tests"}))
    (command,) = re.findall(r"<code>(loadtest gate .*?)</code>", text)
    assert shlex.split(unescape(command)) == [
        *("loadtest", "gate", "load tests/20261124T020000Z-chat", "--slo", "ack_delivered.p99 < 250ms"),
    ]


def test_who_hears_the_page_finds_the_way(page, read):
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
    assert not re.search(r"<th[^>]*></th>", page)
    boxes = re.findall(r'<div class="scroll"[^>]*>', page)
    assert len(boxes) > 5
    assert all(re.search(r'role="group" aria-label="[^"]', box) for box in boxes)


def test_every_picture_has_its_numbers(tmp_path):
    lost = START + 30 * SECOND
    outages = [Outage("user-1", "SteadyUser", lost, 1006, "", False, 1, lost + 2 * SECOND, lost + 4 * SECOND)]
    page = page_of(stage(tmp_path, [batch(ordinary(), outages=outages)]))
    table = page[page.index("since the loss") :]
    rows = re.findall(r'<tr><th scope="row">([\d.]+ s)</th><td>\d+</td><td>(.*?)</td><td>(.*?)</td></tr>', table)
    assert (rows[8], rows[9], rows[19]) == (
        ("1.80 s", "0.0 %", "0.0 %"), ("2.00 s", "100.0 %", "0.0 %"), ("4.00 s", "100.0 %", "100.0 %")
    )  # fmt: skip


def test_the_slowest_messages_can_be_found_in_the_servers_logs(page):
    rows = re.findall(r'<tr><th scope="row">(msg-\d+)</th><td>(user-\d)</td>.*?<td>(2026-11-24T[\d:.]+Z)</td>', page)
    by_ack = rows[:20]
    assert by_ack[0][0] == "msg-300"  # never answered
    assert by_ack[1] == ("msg-27", "user-0", "2026-11-24T02:00:33.501Z")  # 27 * 37 % 100 + 1 = 100 ms, 20 + 13.5 s
    assert len(by_ack) == 20


def test_text_of_a_server_is_no_markup(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def undrawn(run, *slo):
    """The page without the seconds that its pictures take."""
    return write_page(open_run(run, [objective(text) for text in slo])).read_text()


@pytest.mark.parametrize(
    ("facts", "slo", "answer", "cells"),
    [
        ({}, "ack_delivered.p95 < 250ms", "yes", ("ack_delivered.p95", "&lt; 250ms", "pass")),
        ({}, "ack_delivered.p50 < 20ms", "no", ("FAIL", "81 of 100 messages missed it")),
        ({}, "ack_delivered.p99 < 250ms", "cannot be said yet", ("inconclusive", "about 370 would settle it")),
        (
            {"missing_processes": ["worker-1"]},
            "sent > 1",
            "cannot be said: the run is invalid",
            ("(of an invalid run)",),
        ),
    ],
)
def test_whether_it_passed_is_the_first_answer_and_the_objectives_come_before_all_else(
    tmp_path, facts, slo, answer, cells
):
    text = undrawn(stage(tmp_path, [batch(ordinary())], **facts), slo)
    first = re.search(r'<h3>(.*?)</h3><p class="said">(.*?)</p>', text)
    assert first.groups() == ("Did it pass?", answer)
    table = text[text.index(">Objectives</h2>") : text.index(">Percentiles</h2>")]
    for cell in cells:
        assert cell in table


def test_a_run_is_held_against_the_one_before_it_with_as_many_users(tmp_path):
    first = stage(tmp_path, [batch(ordinary())])
    (first / "summary.json").write_text(as_json(open_run(first).summary))
    other = stage(tmp_path, [batch(ordinary())], users=7)
    again = stage(tmp_path, [batch(ordinary())])
    assert (first.name, other.name, again.name) == tuple(f"20261124T020000Z-chat{end}" for end in ("", "-2", "-3"))
    assert "there is no earlier run" in undrawn(other)
    text = undrawn(again)
    assert f"against {first.name}" in text
    assert "no difference beyond the intervals" in text
    unlike = stage(tmp_path, [batch(ordinary())], options={"message_rate": "9/60s"})
    assert "there is no earlier run" in undrawn(unlike)
    broken = stage(tmp_path, [batch(ordinary())], missing_processes=["worker-1"])
    assert "cannot be said: the run is invalid" in re.search(r"the last one\?</h3>.*?</p>", undrawn(broken)).group()


def test_a_server_that_stopped_answering_is_worse_than_the_last_one(tmp_path):
    first = stage(tmp_path, [batch(ordinary())])
    (first / "summary.json").write_text(as_json(open_run(first).summary))
    dead = [message(n, STEADY_S + n * 0.5, Outcome.TIMEOUT, reason="no ack") for n in range(100)]
    text = undrawn(stage(tmp_path, [batch([*dead, *ordinary()[100:]])]))
    answer = re.search(r'the last one\?</h3><p class="said">(.*?)</p>', text)[1]
    assert answer == "worse in 7 of 7, most: delivered ratio 100.00 %, now 0.00 %"
    assert re.search(r"ack delivered p95</th><td>95.0 ms</td><td>∞</td><td>∞</td><td>apart", text)


def test_messages_that_got_lost_come_before_those_that_got_slow(tmp_path):
    first = stage(tmp_path, [batch(ordinary())])
    (first / "summary.json").write_text(as_json(open_run(first).summary))
    lost = [message(n, STEADY_S + n * 0.5, Outcome.TIMEOUT, reason="no ack") for n in range(20)]
    slow = [answered(n, STEADY_S + n * 0.5, 200 + n) for n in range(20, 100)]
    text = undrawn(stage(tmp_path, [batch([*lost, *slow, *ordinary()[100:]])]))
    assert "most: delivered ratio 100.00 %, now 80.00 %" in text


def test_a_page_elsewhere_leaves_the_run_folder_as_it_is(tmp_path):
    run = stage(tmp_path / "results", [batch(ordinary())])
    before = sorted(path.name for path in run.iterdir())
    assert loadtest("report", run, "-o", tmp_path / "page.html") == (0, f"{tmp_path / 'page.html'}\n", "")
    assert sorted(path.name for path in run.iterdir()) == before
    assert (tmp_path / "page.html").read_text().count("<svg") == 3  # percentiles, timeline, recovery


def test_how_connections_were_lost_and_users_came_back_is_a_table(tmp_path):
    """A cut of 20 with a queue that the limit admits in part, and slow readers."""
    lost = START + 30 * SECOND
    outages = [
        Outage(
            f"user-{n}", "SteadyUser", lost, 1006, "", False, 1, lost + 2 * SECOND, lost + 3 * SECOND,
            lost + 4 * SECOND, cause=Cause.SERVER_CUT, noticed_ns=lost, backoff_ns=SECOND,
        )
        for n in range(20)
    ]  # fmt: skip
    connects = [
        Connect(f"user-{n}", "SteadyUser", lost + SECOND, "ok", reconnect=True, attempt=1, backoff_ns=SECOND)
        for n in range(20)
    ]
    queued = [
        message(400, 31, population=Population.QUEUED),
        message(401, 31, Outcome.REJECTED, Population.QUEUED),
    ]
    ghosts = [Ghost("user-1", "SilentUser", lost, lost + SECOND, lost + 9 * SECOND, 1006, 3, 2)]
    counters = [
        Count("messages_offered", "", 106),
        Count("flushed_broadcast", "in order", 1),
        Count("gave_up", "gave up connecting", 2),
        Count("read_pause", "kept", 3),
        Count("read_pause", "closed 1013 by server", 1),
    ]
    messages = [*ordinary(), *queued]
    folder = stage(tmp_path, [batch(messages, outages=outages, connects=connects, ghosts=ghosts, counters=counters)])
    page = undrawn(folder)
    rows = dict(re.findall(r'<tr><th scope="row">([^<]+)</th><td>([^<]*)</td></tr>', page))
    assert {name: rows[name] for name in rows if name in WANTED} == WANTED


WANTED = {
    "outages": "20",
    "outages by server cut": "20 = 20 recovered",
    "queue flush p50 / p95": "2.00 s / –",
    "waits before attempts": "1. 20 x 1.00–1.00 s of 1.00–1.20; 0 off the schedule",
    "herd": "20 connections lost at 30.0 s within 0.00 s; at most 20 attempts in 0.1 s; back: half 2.00 s, "
    "90 % 2.00 s, all 2.00 s",
    "offline queue": "2 waited = 1 delivered + 1 rejected; 2 sent",
    "flushed messages as their senders heard them": "1 x in order",
    "ghosts": "1, 0 of them still there when the user was back; 1 ended by the server, after 9.0 s (median); 2 "
    "broadcasts went to them",
    "gave up": "2 x gave up connecting; 0 began anew",
    "read pauses of slow readers": "3 x kept, 1 x closed 1013 by server",
}
