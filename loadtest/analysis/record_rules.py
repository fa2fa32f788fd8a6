"""Rules on what was recorded: is there anything, and is all of it there?"""

from __future__ import annotations

from typing import Final

from loadtest.analysis.finding import Evidence, Finding, Rule, Status
from loadtest.analysis.ledger import login_failures
from loadtest.analysis.values import has_samples
from loadtest.model import WorkerEnd

_REPORT: Final = "this is a fault of the tool: please report it"


def nothing_measured(evidence: Evidence) -> Finding | None:
    if has_samples(evidence.metrics, evidence.populations):
        return None
    failures = ", ".join(f"{number:,} x {outcome}" for outcome, number in evidence.connect_failures.items())
    if failures:
        reason = f"nothing was measured: no user got a connection ({failures})"
        return Finding(Status.INVALID, reason, "check --host and the tokens")
    logins = ", ".join(f"{number:,} x {outcome}" for outcome, number in login_failures(evidence.records).items())
    if logins:
        return Finding(Status.INVALID, f"nothing was measured: no user could log in ({logins})", "look at the login")
    return Finding(Status.INVALID, "nothing was measured", "let it run for longer")


def cut_off(evidence: Evidence) -> Finding | None:
    if evidence.records.complete:
        return None
    return Finding(
        Status.INVALID,
        "incomplete: the run was cut off, or still goes on",
        "messages that were open then are missing here",
    )


def unaccounted(evidence: Evidence) -> Finding | None:
    number = evidence.counts["unaccounted"]
    if not number:
        return None
    kind = "messages have no record" if number > 0 else "more records than messages"
    return Finding(Status.INVALID, f"the ledger does not close: {abs(number):,} {kind}", _REPORT)


def missing_processes(evidence: Evidence) -> Finding | None:
    told = {worker.name for worker in evidence.records.info.workers if worker.ended is WorkerEnd.LOST}
    missing = [name for name in evidence.records.info.missing_processes if name not in told]
    if not missing:
        return None
    reason = f"the last report of {', '.join(missing)} never came"
    return Finding(Status.INVALID, reason, "use fewer users a process, or a faster network")


def lost_batches(evidence: Evidence) -> Finding | None:
    lost = evidence.records.lost_batches
    if not lost:
        return None
    names = ", ".join(f"{number:,} of {process}" for process, number in sorted(lost.items()))
    return Finding(Status.INVALID, f"reports were lost on their way: {names}", "use fewer users a process")


def left_out(evidence: Evidence) -> Finding | None:
    reports = evidence.records.count("report_left_out")
    if not reports:
        return None
    reason = f"reports with records that cannot be written are left out: {reports:,}"
    return Finding(Status.INVALID, reason, "the console says what was wrong with them")


def empty_window(evidence: Evidence) -> Finding | None:
    if evidence.steady["sent"] or not evidence.counts["sent"]:
        return None
    return Finding(
        Status.SUSPECT, "no message lies in the measured window", "let it run for longer, or shorten --warmup"
    )


def listener_errors(evidence: Evidence) -> Finding | None:
    errors = evidence.records.count("listener_error")
    return Finding(Status.SUSPECT, f"{errors:,} errors in the handling of events", _REPORT) if errors else None


def hook_errors(evidence: Evidence) -> Finding | None:
    errors = evidence.records.count("hook_error")
    if not errors:
        return None
    return Finding(
        Status.SUSPECT, f"{errors:,} errors in hooks of the locustfile", "the console has them: mend the locustfile"
    )


def dialect_errors(evidence: Evidence) -> Finding | None:
    errors = evidence.records.count("dialect_error")
    if not errors:
        return None
    return Finding(
        Status.SUSPECT,
        f"{errors:,} frames that the locustfile's dialect failed at",
        "mend its decode: it may raise MalformedFrame, UnknownEvent and InvalidEvent",
    )


RECORD_RULES: Final[tuple[Rule, ...]] = (
    nothing_measured,
    cut_off,
    unaccounted,
    missing_processes,
    lost_batches,
    left_out,
    empty_window,
    listener_errors,
    hook_errors,
    dialect_errors,
)
