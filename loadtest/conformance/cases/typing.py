"""Typing indicators."""

from __future__ import annotations

from functools import partial
from typing import Final

import gevent

from loadtest.conformance.bench import Bench, Probe, at_once
from loadtest.conformance.checklist import Findings
from loadtest.conformance.heard import Heard
from loadtest.protocol import TYPING_AUTO_STOP_S, TYPING_MIN_INTERVAL_S, TypingStart, TypingStop

TYPIST, READER = 6, 7
TOLERANCE_S: Final = 1.0
"""How much sooner or later typing may stop by itself."""


def check(bench: Bench, findings: Findings) -> None:
    """One types, the other looks on."""
    typist, reader = at_once(partial(bench.probe, TYPIST), partial(bench.probe, READER))
    own, since = typist.hearing.mark(), reader.hearing.mark()
    typist.typing_start(bench.conversation)
    first = reader.hearing.until(_starts, since, min(bench.patience_s, 2.0))
    if first is None:
        findings.fails("typing-start", "nothing reached the other participant")
        findings.untested(("typing-stop", "typing-rate", "typing-auto-stop"), "typing:start did not arrive")
        return
    typist.typing_start(bench.conversation)
    gevent.sleep(bench.hush_s)
    echoed = bool(typist.hearing.all(_starts, own))
    if echoed:
        findings.fails("typing-start", "its sender got it, too")
    else:
        named = isinstance(first.event, TypingStart) and first.event.user_id == typist.identity.user
        findings.conforms("typing-start", "with its userId" if named else "without the userId of who types")
    _rate(findings, reader, since)
    _stop(bench, findings, typist, reader)
    gevent.sleep(TYPING_MIN_INTERVAL_S)
    _auto_stop(bench, findings, typist, reader)


def _starts(each: Heard) -> bool:
    return isinstance(each.event, TypingStart)


def _stops(each: Heard) -> bool:
    return isinstance(each.event, TypingStop)


def _rate(findings: Findings, reader: Probe, since: int) -> None:
    starts = len(reader.hearing.all(_starts, since))
    if starts == 1:
        findings.conforms("typing-rate", "of two, the first was passed on")
    else:
        findings.fails("typing-rate", f"{starts} were passed on")


def _stop(bench: Bench, findings: Findings, typist: Probe, reader: Probe) -> None:
    own, since = typist.hearing.mark(), reader.hearing.mark()
    typist.typing_stop(bench.conversation)
    if reader.hearing.until(_stops, since, min(bench.patience_s, 2.0)) is None:
        findings.fails("typing-stop", "nothing reached the other participant")
    elif typist.hearing.all(_stops, own):
        findings.fails("typing-stop", "its sender got it, too")
    else:
        findings.conforms("typing-stop", "it does")


def _auto_stop(bench: Bench, findings: Findings, typist: Probe, reader: Probe) -> None:
    since = reader.hearing.mark()
    typist.typing_start(bench.conversation)
    start = reader.hearing.until(_starts, since, min(bench.patience_s, 2.0))
    if start is None:
        findings.untested(("typing-auto-stop",), "a later typing:start did not arrive")
        return
    stop = reader.hearing.until(_stops, since, TYPING_AUTO_STOP_S + TOLERANCE_S)
    if stop is None:
        findings.fails("typing-auto-stop", f"not within {TYPING_AUTO_STOP_S + TOLERANCE_S:g} s")
        return
    after_s = (stop.at_ns - start.at_ns) / 1e9
    note = findings.conforms if after_s >= TYPING_AUTO_STOP_S - TOLERANCE_S else findings.fails
    note("typing-auto-stop", f"after {after_s:.2f} s")
