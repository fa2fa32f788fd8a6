"""The rate limit: what it is, and whether it is the one declared."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from typing import Final

import gevent
from msgspec import structs

from loadtest.analysis.limits.evidence import Evidence, Try
from loadtest.analysis.limits.limiter import FoundKind, Limiter, Scope, identify, promise_error_s
from loadtest.conformance.bench import LIMITED, Bench, CannotTest, at_once
from loadtest.conformance.checklist import GROUPS, Findings
from loadtest.conformance.heard import Heard
from loadtest.conformance.limiter_probe import LimiterProbe, Who
from loadtest.conformance.line import Line, told
from loadtest.protocol import (
    MESSAGES_PER_WINDOW,
    WINDOW_S,
    ConnectionError_,
    MessageAck,
    MessageError,
    MessageReceive,
    MessageStream,
    excerpt,
)
from loadtest.settings import Rate

FIRST, OTHER = LIMITED
LISTENER: Final = 0
"""Hears what becomes of messages that are rejected; sends nothing else."""
LEAST_USERS: Final = 4
"""Two of them have no other cases, beside which the limit would be found too low."""
QUICK_S: Final = 7.5
"""Windows that are over by then are looked at in the quick set, too."""
WINDOWS: Final = 3.0
LEAST_FULL_S: Final = 30.0
WORTH_TELLING_S: Final = 5.0
REJECTED_AGAIN: Final = 3
"""Messages that a listener hears nothing of; a bucket may have a token for the first."""
GUIDE_RATE: Final = Rate(MESSAGES_PER_WINDOW, WINDOW_S)
"""Looked for where none is declared."""
PROMISE_TOLERANCE_S: Final = 0.25


def check(bench: Bench, findings: Findings, alone: bool) -> Limiter:
    """Find the limit.

    Args:
        alone: whether nothing else is looked at, which leaves time for its windows.

    Raises:
        CannotTest: there are too few users.
    """
    least = len(LIMITED) if alone else LEAST_USERS
    if len(bench.users) < least:
        remedy = "" if alone else "; try --only limiter"
        raise CannotTest(f"it takes {least} users, and {bench.tokens.option} has {len(bench.users)}{remedy}")
    declared = bench.declared or GUIDE_RATE
    asker = _Lines(bench)
    longest_s = max(WINDOWS * declared.window_s, LEAST_FULL_S) if bench.full or alone else QUICK_S
    probe = LimiterProbe(asker, declared, longest_s)
    try:
        evidence = probe.run()
    except gevent.Timeout:
        if not probe.seen.burst:
            raise
        evidence = structs.replace(probe.seen, cut_short="there was no time to watch it any longer")
    limiter = identify(evidence)
    if evidence.rejection is not None:
        asker.listen()
    _judge(bench.declared, findings, limiter, evidence, asker)
    return limiter


class _Lines:
    """Asks on real connections; see `limiter_probe.Asker`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        places = {Who.FIRST: FIRST, Who.SECOND_CONNECTION: FIRST, Who.OTHER: OTHER}
        opened = at_once(*(partial(bench.line, place) for place in places.values()))
        self._lines = dict(zip(places, opened, strict=True))
        self._listener: Line | None = None
        self._rejected: set[str] = set()
        self.rejection: str | None = None
        """The first rejection, in words."""
        self.rejected_otherwise: str | None = None
        """One that was no ack, likewise."""
        self.received_first = False
        """Whether a message that was rejected had been acked `received`."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        gevent.sleep(max(seconds, 0.0))

    def expect(self, seconds: float) -> None:
        if seconds >= WORTH_TELLING_S:
            print(f"the rate limit is watched for about {seconds:.0f} s", file=sys.stderr, flush=True)

    def ask(self, who: Who, messages: int) -> list[Try]:
        line = self._lines[who]
        since = line.mark()
        asked = dict(self._say(line) for _ in range(messages))
        answers = line.answers(list(asked), since, self._bench.patience_s)
        return [self._outcome(line, id_, sent_ns, answers.get(id_)) for id_, sent_ns in asked.items()]

    def _say(self, line: Line) -> tuple[str, int]:
        """Send a message; its id, and when it left."""
        fields = self._bench.message("x")
        return fields["messageId"], line.say(fields)

    def _outcome(self, line: Line, id_: str, sent_ns: int, answer: Heard | None) -> Try:
        if answer is None:
            return Try(sent_ns, time.monotonic_ns(), None)
        event = answer.event
        if isinstance(event, MessageAck) and event.status == "delivered":
            return Try(sent_ns, answer.at_ns, True)
        text = _text(event)
        if not self._bench.limited(answer):
            raise CannotTest(f"a message was refused, and not by the rate limit: {told(answer, line)}")
        self.rejection = self.rejection or excerpt(text, 100)
        if not isinstance(event, MessageAck):
            self.rejected_otherwise = told(answer, line)
        self.received_first = self.received_first or bool(line.all(lambda each: _receives(each, id_)))
        self._rejected.add(id_)
        return Try(sent_ns, answer.at_ns, False, self._bench.dialect.refusal(text).retry_after_s)

    def listen(self) -> None:
        """Let another participant hear what becomes of messages beyond the limit; it is used up by now."""
        bench = self._bench
        if bench.user(LISTENER) not in map(bench.user, LIMITED):  # else its one message would count against it
            with suppress(CannotTest, gevent.Timeout):
                self._listener = bench.line(LISTENER)
                self._listener.answers([self._say(self._listener)[0]], 0, bench.patience_s)
                self.ask(Who.FIRST, REJECTED_AGAIN)
        gevent.sleep(bench.hush_s)

    def beyond_an_answer(self) -> str | None:
        """What else a message has led to that was rejected, in words."""
        lines = {"another user": [self._listener, self._lines[Who.OTHER]]}
        lines["its own user"] = [self._lines[Who.FIRST], self._lines[Who.SECOND_CONNECTION]]
        for who, heard_by in lines.items():
            for event in (each.event for line in heard_by if line is not None for each in line.heard):
                match event:
                    case MessageReceive(message_id=id_) if id_ in self._rejected:
                        return f"it was broadcast to {who}"
                    case MessageStream(message_id=id_) if {id_, self._bench.dialect.message_of(id_)} & self._rejected:
                        return f"a stream that answers it came to {who}"
        return None


def _receives(each: Heard, id_: str) -> bool:
    event = each.event
    return isinstance(event, MessageAck) and event.message_id == id_ and event.status == "received"


def _text(event: object) -> str:
    match event:
        case MessageAck(error=error):
            return error or ""
        case MessageError():
            return event.text
        case ConnectionError_(message=message):
            return message
    return ""


# --- the verdicts ----------------------------------------------------------------------------------------------------
def _judge(declared: Rate | None, findings: Findings, limiter: Limiter, evidence: Evidence, asker: _Lines) -> None:
    of_limit = [id_ for id_ in GROUPS["limiter"] if id_ != "limit"]
    if limiter.kind is FoundKind.NONE:
        note = findings.conforms if declared is None else findings.fails
        as_declared = (
            ", as declared" if declared is None else f"; {declared} is declared, or --rate-limit none if meant"
        )
        note("limit", f"{limiter.evidence[0]}{as_declared}")
        findings.untested(of_limit, "there is no limit")
        return
    if evidence.rejection is None or not evidence.limit:
        findings.untested(("limit", *of_limit), "; ".join(limiter.evidence))
        return
    _judge_limit(declared, findings, limiter, evidence.limit)
    _judge_scope(findings, limiter)
    _judge_answer(findings, evidence, asker)
    _judge_promise(findings, evidence)
    _judge_window(declared, findings, limiter, evidence)
    if limiter.kind is FoundKind.FIXED:
        findings.conforms("limiter-kind", "a fixed window")
    elif limiter.kind is FoundKind.UNCLEAR:
        findings.untested(("limiter-kind",), limiter.evidence[-1])
    else:
        names = {FoundKind.SLIDING: "a sliding log", FoundKind.BUCKET: "a bucket of tokens"}
        findings.differs("limiter-kind", names[limiter.kind])


def _judge_limit(declared: Rate | None, findings: Findings, limiter: Limiter, admitted: int) -> None:
    if limiter.limit is None:
        findings.untested(("limit",), f"{admitted} admitted, the next rejected: {limiter.evidence[-1]}")
        return
    least, most = limiter.limit_bounds or (limiter.limit, limiter.limit)
    fell = next((f": {told}" for told in limiter.evidence if "got tokens" in told), "")
    if declared is None:
        findings.differs("limit", f"{admitted} admitted at once, then rejected{fell}; none is declared")
    elif least <= declared.messages <= most:
        findings.conforms("limit", f"{admitted} admitted, the next rejected{fell}")
    else:
        findings.fails(
            "limit", f"{admitted} admitted, the next rejected{fell}; {declared} is declared: --rate-limit if meant"
        )


def _judge_scope(findings: Findings, limiter: Limiter) -> None:
    told = next((each for each in limiter.evidence if "meanwhile" in each), "no answer on the second connection")
    if limiter.scope is Scope.USER:
        findings.conforms("limit-scope", told)
    elif limiter.scope is None:
        findings.untested(("limit-scope",), told)
    else:
        findings.fails("limit-scope", told)


def _judge_answer(findings: Findings, evidence: Evidence, asker: _Lines) -> None:
    beyond = asker.beyond_an_answer()
    if beyond is not None:
        findings.fails("limit-answer", f'rejected by "{asker.rejection}", and yet {beyond}')
    elif asker.rejected_otherwise is not None:
        findings.differs("limit-answer", asker.rejected_otherwise)
    elif evidence.rejection is None or evidence.rejection.retry_after_s is None:
        findings.fails("limit-answer", f'ack error "{asker.rejection}": it does not say how long to wait')
    elif asker.received_first:
        findings.fails("limit-answer", f'ack received, and then ack error "{asker.rejection}"')
    else:
        findings.conforms("limit-answer", f'ack error "{asker.rejection}"')


def _judge_promise(findings: Findings, evidence: Evidence) -> None:
    error = promise_error_s(evidence)
    rejection, returned, again = evidence.rejection, evidence.returned, evidence.rejected_again
    if rejection is not None and rejection.retry_after_s is not None and again is not None:
        waited_s = (again.sent_ns - rejection.answered_ns) / 1e9
        findings.fails("limit-promise", f"promised {rejection.retry_after_s} s, rejected after {waited_s:.1f} s again")
        return
    if error is None or rejection is None or returned is None:
        findings.untested(
            ("limit-promise",), evidence.cut_short or "nothing was promised, or never kept while we asked"
        )
        return
    wait_s = (returned.admitted.answered_ns - rejection.sent_ns) / 1e9
    seen = f"promised {rejection.retry_after_s} s, it was {wait_s:.2f} s"
    kept = error[0] < PROMISE_TOLERANCE_S and error[1] > -1.0 - PROMISE_TOLERANCE_S
    (findings.conforms if kept else findings.fails)("limit-promise", seen)


def _judge_window(declared: Rate | None, findings: Findings, limiter: Limiter, evidence: Evidence) -> None:
    bounds, window_s = limiter.window_bounds_s, limiter.window_s
    if declared is None:
        findings.untested(("limit-window",), "no limit is declared")
    elif bounds is not None:
        seen = f"{bounds[0]:.2f} to {bounds[1]:.2f} s; {declared.window_s:g} s are declared"
        slack_s = max(0.02 * declared.window_s, 0.1)  # a server's timers, and ours
        right = bounds[0] - slack_s <= declared.window_s <= bounds[1] + slack_s
        (findings.conforms if right else findings.fails)("limit-window", seen)
    elif evidence.returned is None and window_s is not None and abs(window_s - declared.window_s) <= 1.0:
        findings.conforms("limit-window", f"{window_s:g} s by the server's own word")
    else:
        findings.untested(("limit-window",), evidence.cut_short or "it was not measured")
