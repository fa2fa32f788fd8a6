"""What `check` prints, from literal findings."""

from xml.etree import ElementTree

import pytest

from loadtest.analysis.conformance import Case, CaseVerdict, Conformance
from loadtest.analysis.limits.limiter import FoundKind, Limiter, Scope
from loadtest.report import conformance as report

ACKS = Case(
    "acks", "3.1", "Send message and receive ack", "a message is acked", CaseVerdict.CONFORMS, "received, delivered"
)
LEAK = Case("no-leak", "4.2", "Receive messages", "nothing leaks", CaseVerdict.FAILS, "a frame of <b> reached it")
PAGE = Case("auto-scroll", "10.1", "Auto-scroll", "the page follows", CaseVerdict.UNTESTED, "a matter of the page")
IDS = Case("stream-ids", "12.3", "Silent", "id of the stream", CaseVerdict.DIFFERS, "the messageId itself")
FIXED = Limiter(FoundKind.FIXED, 10, 60.0, Scope.USER, (59.8, 60.3), ("10 messages admitted at once",))
FOUND = Conformance("ws://host/ws", (ACKS, LEAK, PAGE, IDS), FIXED, 6.7)

TEXT = """\
Send message and receive ack
  3.1 acks              conforms  received, delivered
Receive messages
  4.2 no-leak           FAILS     a frame of <b> reached it (expected: nothing leaks)
Auto-scroll
 10.1 auto-scroll       untested  a matter of the page
Silent
 12.3 stream-ids        differs   the messageId itself
rate limit: fixed, 10 messages in 60 s, per user
  10 messages admitted at once
ws://host/ws: 4 cases in 6.7 s: 1 conform, 1 differ, 1 FAIL, 1 cannot be tested
"""
MARKDOWN = """\
**ws://host/ws: 4 cases in 6.7 s: 1 conform, 1 differ, 1 FAIL, 1 cannot be tested**

| | case | verdict | seen |
|---|---|---|---|
| 3.1 | a message is acked | conforms | received, delivered |
| 4.2 | nothing leaks | **fails** | a frame of \\<b> reached it |
| 10.1 | the page follows | cannot be tested | a matter of the page |
| 12.3 | id of the stream | differs | the messageId itself |

- rate limit: fixed, 10 messages in 60 s, per user
- 10 messages admitted at once
"""


def test_text():
    assert report.text(FOUND) == TEXT


def test_text_in_color():
    assert "\x1b[31mFAILS   \x1b[0m  a frame" in report.text(FOUND, color=True)


def test_markdown():
    assert report.markdown(FOUND) == MARKDOWN


def test_junit_skips_what_cannot_be_tested():
    (suite,) = ElementTree.fromstring(report.junit(FOUND))
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    assert suite.find("testcase/failure").get("message") == "a frame of <b> reached it"


def test_a_limit_that_was_not_looked_at_is_left_out():
    found = Conformance("ws://host/ws", (ACKS,), Limiter(FoundKind.UNCLEAR), 1.0)
    assert "rate limit" not in report.text(found)
    assert not found.failed


@pytest.mark.parametrize(
    ("limiter", "words"),
    [
        (Limiter(FoundKind.NONE, evidence=("100 admitted",)), "none found"),
        (Limiter(FoundKind.UNCLEAR, evidence=("no answer",)), "unclear"),
        (Limiter(FoundKind.BUCKET, 100, 10.0, Scope.USER, (9.8, 10.2), ("x",), (100, 100)),
         "bucket, 100 messages in 10 s, per user"),
        (Limiter(FoundKind.BUCKET, 100, 10.0, Scope.USER, (9.6, 10.4), ("x",), (99, 101)),
         "bucket, 100 messages (99 to 101) in 10 s, per user"),
        (Limiter(FoundKind.BUCKET, None, None, Scope.ALL, None, ("x",)),
         "bucket, limit unknown, window unknown, for all together"),
    ],
)  # fmt: skip
def test_a_limit_in_words(limiter, words):
    assert f"rate limit: {words}\n" in report.text(Conformance("ws://host/ws", (), limiter, 1.0))
