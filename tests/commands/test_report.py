"""`loadtest report`: one page that needs nothing else, and that answers first."""

import re
from html.parser import HTMLParser

import pytest
from in_process import loadtest
from staged_run import batch, message, ordinary, stage

from loadtest.model import Outcome


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
    return page_of(stage(tmp_path_factory.mktemp("results"), [batch([*ordinary(), hostile])]))


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
            "valid run", "What was slowest?", "Was anything lost?", "Was the generator sound?",
            "Is it worse than the last one?", "Percentiles", "Slowest messages", "The generator", "Environment",
            "How each number is defined",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "1 error" in text[places[2] : places[3]]


def test_the_slowest_messages_can_be_found_in_the_servers_logs(page):
    rows = re.findall(r'<tr><th scope="row">(msg-\d+)</th><td>(user-\d)</td>.*?<td>(2026-11-24T[\d:.]+Z)</td>', page)
    by_ack = rows[:20]
    assert by_ack[0][0] == "msg-300"  # never answered
    assert by_ack[1] == ("msg-27", "user-0", "2026-11-24T02:00:33.501Z")  # 27 * 37 % 100 + 1 = 100 ms, 20 + 13.5 s
    assert len(by_ack) == 20


def test_text_of_a_server_is_no_markup(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_run_is_held_against_the_one_before_it_with_as_many_users(tmp_path):
    first = stage(tmp_path, [batch(ordinary())])
    assert loadtest("finish", first)[0] == 0
    other = stage(tmp_path, [batch(ordinary())], users=7)
    again = stage(tmp_path, [batch(ordinary())])
    assert (first.name, other.name, again.name) == tuple(f"20261124T020000Z-chat{end}" for end in ("", "-2", "-3"))
    assert "there is no earlier run" in page_of(other)
    text = page_of(again)
    assert f"against {first.name}" in text
    assert "no difference beyond the intervals" in text
