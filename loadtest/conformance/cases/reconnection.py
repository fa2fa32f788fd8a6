"""A connection that is lost, and what waited meanwhile."""

from __future__ import annotations

from typing import Final

from loadtest.conformance.bench import Bench, Probe
from loadtest.conformance.checklist import Findings
from loadtest.conformance.heard import Heard
from loadtest.conformance.meanings import interval
from loadtest.protocol import MessageAck

USER: Final = 10
QUEUED: Final = 3


def check(bench: Bench, findings: Findings) -> None:
    """Lose the connection, send meanwhile, come back; then leave politely."""
    probe = bench.probe(USER)
    since = probe.hearing.mark()
    probe.reset()
    queued = [probe.send(bench.conversation, f"queued {place}") for place in range(QUEUED)]
    acks = _delivered(bench, probe, since, queued)
    back = next((each for each in probe.observer.connects if each.reconnect and each.authenticated_ns), None)
    if back is None or back.authenticated_ns is None:
        findings.fails("reconnect", f"no connection again: {probe.observer.failure}")
        findings.untested(("queue",), "there was no connection again")
        return
    took = interval(back.authenticated_ns - back.began_ns)
    if acks is None:
        findings.conforms("reconnect", f"authenticated in {took}")
        if probe.hearing.all(bench.limited, since):
            findings.untested(("queue",), "the rate limit came first")
        findings.fails("queue", f"not all of {QUEUED} messages were delivered within {bench.patience_s:g} s")
    else:
        findings.conforms("reconnect", f"authenticated in {took}, and messages are delivered")
        note = findings.conforms if acks == queued else findings.fails
        note("queue", f"{QUEUED} messages delivered, {'in' if acks == queued else 'not in'} their order")
    _close(findings, probe)


def _delivered(bench: Bench, probe: Probe, since: int, ids: list[str]) -> list[str] | None:
    """The messages in the order of their delivery; None where one is missing."""
    found: list[str] = []

    def is_last(each: Heard) -> bool:
        event = each.event
        if isinstance(event, MessageAck) and event.status == "delivered" and event.message_id in ids:
            found.append(event.message_id)
        return len(found) == len(ids)

    return found if probe.hearing.until(is_last, since, bench.patience_s) is not None else None


def _close(findings: Findings, probe: Probe) -> None:
    probe.finish()
    probe.disconnect()
    end = probe.observer.disconnects[-1]
    if end.close_ns is None:
        findings.fails("close", f"not answered by a close frame: {end.code}")
    elif end.code not in (1000, 1005):
        findings.differs("close", f"answered with {end.code} after {interval(end.close_ns)}")
    else:
        findings.conforms("close", f"after {interval(end.close_ns)}")
