"""Messages at their limits."""

from __future__ import annotations

from typing import Any, Final

from loadtest.conformance.bench import Bench
from loadtest.conformance.checklist import Findings
from loadtest.conformance.heard import Heard
from loadtest.conformance.line import Line, told
from loadtest.protocol import CONTENT_MAX, ConnectionError_, MessageAck, MessageError

VALID, INVALID = 1, 2
EMOJI: Final = "\N{GRINNING FACE}"
"""One code point, two UTF-16 code units, four bytes."""
E_ACUTE: Final = "\N{LATIN SMALL LETTER E WITH ACUTE}"
"""One code point and code unit, two bytes."""
HALF: Final = CONTENT_MAX // 2 + 1
_FIELDS: Final = ("messageId", "conversationId", "content")


def check(bench: Bench, findings: Findings) -> None:
    """Valid and invalid messages, of two users: a server may count the invalid ones, too."""
    _early(bench, findings)
    valid, invalid = bench.line(VALID), bench.line(INVALID)

    accepted = {"one-character": "x", "longest-content": "x" * CONTENT_MAX}
    good = False
    for case, content in accepted.items():
        answer, _ = _sent(bench, valid, bench.message(content))
        good = good or _accepted(answer)
        _expect(bench, findings, case, answer, valid, accept=True)
    _expect(bench, findings, "no-timestamp", *_sent(bench, valid, bench.message(timestamp=None)), accept=True)
    _twice(bench, findings, valid)

    answers = []
    for case, content in {"empty-content": "", "too-long-content": "x" * (CONTENT_MAX + 1)}.items():
        answer, line = _sent(bench, invalid, bench.message(content))
        answers.append(answer)
        _expect(bench, findings, case, answer, line, accept=False)
    _missing_fields(bench, findings, invalid, answers)
    _kind_of_answer(bench, findings, answers)
    if good:
        _unit(bench, findings, valid, invalid)
    else:
        findings.untested(("length-unit",), "no message was accepted at all")


def _sent(bench: Bench, line: Line, fields: dict[str, Any]) -> tuple[Heard | None, Line]:
    """The last word on a message."""
    place = line.mark()
    line.say(fields)
    return line.answer(fields.get("messageId", ""), place, bench.patience_s), line


def _accepted(answer: Heard | None) -> bool:
    return answer is not None and isinstance(answer.event, MessageAck) and answer.event.status == "delivered"


def _expect(bench: Bench, findings: Findings, case: str, answer: Heard | None, line: Line, *, accept: bool) -> None:
    seen = told(answer, line)
    if bench.limited(answer):
        findings.untested((case,), f"{seen}: the rate limit came first")
    elif answer is None:
        findings.fails(case, seen)
    elif _accepted(answer) == accept:
        findings.conforms(case, seen)
    else:
        findings.fails(case, seen)


def _missing_fields(bench: Bench, findings: Findings, line: Line, answers: list[Heard | None]) -> None:
    wrong: list[str] = []
    right: list[str] = []
    for field in _FIELDS:
        fields = bench.message()
        del fields[field]
        answer, _ = _sent(bench, line, fields)
        answers.append(answer)
        if bench.limited(answer):
            findings.untested(("missing-fields",), f"without {field}: {told(answer, line)}: the rate limit came first")
        refused = answer is not None and not _accepted(answer)
        (right if refused else wrong).append(f"without {field}: {told(answer, line)}")
    if wrong:
        findings.fails("missing-fields", "; ".join(wrong))
    else:
        findings.conforms("missing-fields", "; ".join(right))


def _kind_of_answer(bench: Bench, findings: Findings, answers: list[Heard | None]) -> None:
    kinds = set()
    for answer in (each for each in answers if not bench.limited(each)):
        match answer.event if answer is not None else None:
            case MessageError(message_id=named):
                kinds.add("message:error with its messageId" if named else "message:error that names no message")
            case ConnectionError_(code=code):
                kinds.add(f"connection:error {code}")
            case MessageAck(status="error"):
                kinds.add("ack error")
    if not kinds:
        findings.untested(("invalid-message",), "no invalid message was refused")
    elif kinds == {"message:error that names no message"}:
        findings.conforms("invalid-message", "message:error that names no message")
    else:
        findings.differs("invalid-message", ", ".join(sorted(kinds)))


def _twice(bench: Bench, findings: Findings, line: Line) -> None:
    fields = bench.message("the same")
    first, _ = _sent(bench, line, fields)
    if not _accepted(first):
        findings.untested(("same-id-twice",), f"the first was not accepted: {told(first, line)}")
        return
    second, _ = _sent(bench, line, fields)
    if _accepted(second):
        findings.conforms("same-id-twice", "delivered as any other")
    elif bench.limited(second):
        findings.untested(("same-id-twice",), "the rate limit came first")
    else:
        findings.differs("same-id-twice", told(second, line))


def _early(bench: Bench, findings: Findings) -> None:
    """On a connection of its own, which a server may refuse for it."""
    answer, line = _sent(bench, bench.dialled(VALID), bench.message())
    if bench.limited(answer):
        findings.untested(("early-message",), f"{told(answer, line)}: the rate limit came first")
    elif _accepted(answer):
        findings.conforms("early-message", "delivered as any other: what counts is the server's own moment")
    else:
        findings.differs("early-message", told(answer, line))


def _unit(bench: Bench, findings: Findings, valid: Line, invalid: Line) -> None:
    """What the longest content is counted in, by texts that are within the limit by one count and beyond by another."""
    pairs, line = _sent(bench, invalid, bench.message(EMOJI * HALF))
    if _accepted(pairs):
        findings.differs("length-unit", f"code points, if at all: {HALF:,} emojis were accepted")
        return
    accents, _ = _sent(bench, valid, bench.message(E_ACUTE * HALF))
    if bench.limited(pairs) or bench.limited(accents) or pairs is None or accents is None:
        findings.untested(("length-unit",), f"{told(pairs, line)}; {told(accents, valid)}")
    elif _accepted(accents):
        findings.conforms(
            "length-unit", f"UTF-16 code units: {HALF:,} emojis refused, {HALF:,} accented letters accepted"
        )
    else:
        findings.differs("length-unit", f"bytes of UTF-8: {HALF:,} accented letters were refused")
