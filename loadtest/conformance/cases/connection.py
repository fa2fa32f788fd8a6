"""A good token."""

from __future__ import annotations

from loadtest.conformance.bench import Bench
from loadtest.conformance.checklist import Findings
from loadtest.conformance.meanings import interval
from loadtest.protocol import ConnectionAuthenticated, ConnectionEstablished

PLACE = 0


def check(bench: Bench, findings: Findings) -> None:
    """Connect twice as one user."""
    probe = bench.probe(PLACE, joined=False)
    connect = probe.observer.connects[-1]
    assert connect.authenticated_ns is not None
    took = interval(connect.authenticated_ns - connect.began_ns)
    if bench.dialect.greets:
        findings.conforms("valid-token", f"after {took}")
    else:
        findings.differs("valid-token", f"let in after {took}, without a word")

    second = bench.probe(PLACE, joined=False)
    ids = [
        each.event.connection_id
        for one in (probe, second)
        for each in one.hearing.heard
        if isinstance(each.event, ConnectionAuthenticated)
    ]
    if not bench.dialect.greets:
        findings.untested(("connection-id",), "the server greets nobody, as its dialect says")
    elif not all(ids):
        findings.fails("connection-id", "connection:authenticated without a connectionId")
    elif len(set(ids)) < len(ids):
        findings.fails("connection-id", "two connections have the same connectionId")
    else:
        findings.conforms("connection-id", "two connections, two ids")

    if any(isinstance(each.event, ConnectionEstablished) for each in probe.hearing.heard):
        findings.conforms("established", "sent by the server")
    else:
        findings.differs("established", "not sent")
