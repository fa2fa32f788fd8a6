"""Messages at their limits."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from loadtest.client.closed import Closed
from loadtest.conformance.bench import Bench
from loadtest.conformance.checklist import Findings
from loadtest.conformance.heard import Heard
from loadtest.conformance.line import Line, told
from loadtest.protocol import CONTENT_MAX, ConnectionError_, MessageAck, MessageError, MessageReceive

VALID, INVALID = 1, 2
EMOJI: Final = "\N{GRINNING FACE}"
"""One code point, two UTF-16 code units, four bytes."""
E_ACUTE: Final = "\N{LATIN SMALL LETTER E WITH ACUTE}"
"""One code point and code unit, two bytes."""
HALF: Final = CONTENT_MAX // 2 + 1
_FIELDS: Final = ("messageId", "conversationId", "content")


def check(bench: Bench, findings: Findings) -> None:
    """Valid and invalid messages, of two users: a server may count the invalid ones, too.

    Each has a connection of its own, for a server may close it and say no more.
    """
    _early(bench, findings)

    accepted = {"one-character": "x", "longest-content": "x" * CONTENT_MAX}
    good = False
    for case, content in accepted.items():
        sent = _sent(bench, bench.line(VALID), bench.message(content))
        good = good or _accepted(sent.answer)
        _expect_accepted(bench, findings, case, sent)
    _expect_accepted(bench, findings, "no-timestamp", _sent(bench, bench.line(VALID), bench.message(timestamp=None)))
    _twice(bench, findings, bench.line(VALID))

    refused = []
    for case, content in {"empty-content": "", "too-long-content": "x" * (CONTENT_MAX + 1)}.items():
        sent = _sent(bench, bench.line(INVALID), bench.message(content))
        refused.append(sent)
        _expect_refused(bench, findings, case, sent)
    refused += _missing_fields(bench, findings)
    _kind_of_answer(bench, findings, refused)
    if good:
        _unit(bench, findings)
    else:
        findings.untested(("length-unit",), "no message was accepted at all")


class Sent(NamedTuple):
    """What became of a message: the last word on it, or the close that came in its place, and either in words."""

    answer: Heard | None
    closed: Closed | None
    told: str

    @property
    def refused(self) -> bool:
        return self.closed is not None or (self.answer is not None and not _accepted(self.answer))


def _sent(bench: Bench, line: Line, fields: dict[str, Any]) -> Sent:
    place = line.mark()
    line.say(fields)
    answer = line.answer(fields.get("messageId", ""), place, bench.patience_s)
    return Sent(answer, line.closed if answer is None else None, told(answer, line))


def _accepted(answer: Heard | None) -> bool:
    return answer is not None and isinstance(answer.event, MessageAck) and answer.event.status == "delivered"


def _expect_accepted(bench: Bench, findings: Findings, case: str, sent: Sent) -> None:
    if bench.limited(sent.answer):
        findings.untested((case,), f"{sent.told}: the rate limit came first")
    elif _accepted(sent.answer):
        findings.conforms(case, sent.told)
    else:
        findings.fails(case, sent.told)


def _expect_refused(bench: Bench, findings: Findings, case: str, sent: Sent) -> None:
    if bench.limited(sent.answer):
        findings.untested((case,), f"{sent.told}: the rate limit came first")
    elif sent.closed is not None:
        findings.differs(case, f"{sent.told}: it costs the connection")
    elif sent.refused:
        findings.conforms(case, sent.told)
    else:
        findings.fails(case, sent.told)


def _missing_fields(bench: Bench, findings: Findings) -> list[Sent]:
    """A message without each of them."""
    tries: dict[str, Sent] = {}
    for field in _FIELDS:
        fields = bench.message()
        del fields[field]
        tries[field] = sent = _sent(bench, bench.line(INVALID), fields)
        if bench.limited(sent.answer):
            findings.untested(("missing-fields",), f"without {field}: {sent.told}: the rate limit came first")
    wrong = {field: sent for field, sent in tries.items() if not sent.refused}
    seen = "; ".join(f"without {field}: {sent.told}" for field, sent in (wrong or tries).items())
    if wrong:
        findings.fails("missing-fields", seen)
    elif any(sent.closed is not None for sent in tries.values()):
        findings.differs("missing-fields", seen)
    else:
        findings.conforms("missing-fields", seen)
    return list(tries.values())


def _kind_of_answer(bench: Bench, findings: Findings, refused: list[Sent]) -> None:
    kinds = set()
    for sent in (each for each in refused if not bench.limited(each.answer)):
        match sent.closed if sent.answer is None else sent.answer.event:
            case MessageError(message_id=named):
                kinds.add("message:error with its messageId" if named else "message:error that names no message")
            case ConnectionError_(code=code):
                kinds.add(f"connection:error {code}")
            case MessageAck(status="error"):
                kinds.add("ack error")
            case Closed(code=code):
                kinds.add(f"close {code}")
    if not kinds:
        findings.untested(("invalid-message",), "no invalid message was refused")
    elif kinds == {"message:error that names no message"}:
        findings.conforms("invalid-message", "message:error that names no message")
    else:
        findings.differs("invalid-message", ", ".join(sorted(kinds)))


def _twice(bench: Bench, findings: Findings, line: Line) -> None:
    fields = bench.message("the same")
    first = _sent(bench, line, fields)
    if not _accepted(first.answer):
        findings.untested(("same-id-twice",), f"the first was not accepted: {first.told}")
        return

    def is_broadcast(each: Heard) -> bool:
        return isinstance(each.event, MessageReceive) and each.event.message_id == fields["messageId"]

    echoed = line.until(is_broadcast, 0, bench.hush_s) is not None
    place = line.mark()
    second = _sent(bench, line, fields)
    if _accepted(second.answer) and not echoed:
        findings.conforms("same-id-twice", "acked as any other; its sender does not see whether it is broadcast")
    elif _accepted(second.answer) and line.until(is_broadcast, place, bench.hush_s) is None:
        findings.differs("same-id-twice", "acked as any other, but not broadcast again")
    elif _accepted(second.answer):
        findings.conforms("same-id-twice", "acked and broadcast as any other")
    elif bench.limited(second.answer):
        findings.untested(("same-id-twice",), "the rate limit came first")
    else:
        findings.differs("same-id-twice", second.told)


def _early(bench: Bench, findings: Findings) -> None:
    sent = _sent(bench, bench.dialled(VALID), bench.message())
    if bench.limited(sent.answer):
        findings.untested(("early-message",), f"{sent.told}: the rate limit came first")
    elif _accepted(sent.answer):
        findings.conforms("early-message", "delivered as any other: what counts is the server's own moment")
    else:
        findings.differs("early-message", sent.told)


def _unit(bench: Bench, findings: Findings) -> None:
    """What the longest content is counted in, by texts that are within the limit by one count and beyond by another."""
    pairs = _sent(bench, bench.line(INVALID), bench.message(EMOJI * HALF))
    if _accepted(pairs.answer):
        findings.differs("length-unit", f"code points, if at all: {HALF:,} emojis were accepted")
        return
    accents = _sent(bench, bench.line(VALID), bench.message(E_ACUTE * HALF))
    silent = not pairs.refused or not (accents.refused or _accepted(accents.answer))
    if silent or bench.limited(pairs.answer) or bench.limited(accents.answer):
        findings.untested(("length-unit",), f"{pairs.told}; {accents.told}")
    elif _accepted(accents.answer):
        findings.conforms(
            "length-unit", f"UTF-16 code units: {HALF:,} emojis refused, {HALF:,} accented letters accepted"
        )
    else:
        findings.differs("length-unit", f"bytes of UTF-8: {HALF:,} accented letters were refused")
