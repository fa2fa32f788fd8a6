"""Frames that are no event of the guide."""

from __future__ import annotations

from loadtest.conformance.bench import Bench
from loadtest.conformance.checklist import Findings
from loadtest.conformance.line import Line, told
from loadtest.protocol import ConnectionAuthenticated, ConnectionEstablished

PLACE = 11


def check(bench: Bench, findings: Findings) -> None:
    """Send them, and see whether the connection still works."""
    for case, frame in (
        ("malformed-json", b'{"type": "message:send", '),
        ("unknown-type", b'{"type":"check:nothing"}'),
    ):
        _one(bench, findings, bench.line(PLACE), case, frame)
    findings.untested(("internal-error",), "nothing that a client sends should bring one about")


def _one(bench: Bench, findings: Findings, line: Line, case: str, frame: bytes) -> None:
    since = line.mark()
    line.say(frame)
    greeting = (ConnectionAuthenticated, ConnectionEstablished)
    answer = line.until(lambda each: not isinstance(each.event, greeting), since, min(bench.patience_s, 2.0))
    seen = told(answer, line)
    if line.closed is not None:
        findings.fails(case, f"{seen}: one bad frame costs the connection")
        return
    fields = bench.message()
    place = line.mark()
    line.say(fields)
    after = line.answer(fields["messageId"], place, bench.patience_s)
    if after is None:
        findings.fails(case, f"{seen}; and a good message after it: {told(after, line)}")
    elif answer is None:
        findings.differs(case, "ignored in silence; the connection stays")
    else:
        findings.conforms(case, f"{seen}; the connection stays")
