"""Can the numbers of a run be trusted? A list of small rules, each of which may find one fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from loadtest.analysis.records import Records
from loadtest.analysis.values import Counts, Group, Metrics, Verdict, has_samples
from loadtest.metrics import BY_KEY


class Status(StrEnum):
    """Gravest last."""

    VALID = "valid"
    SUSPECT = "suspect"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: what it makes of the run, and why, in words a person can act on."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at; the fields are those of `values.Summary`."""

    records: Records
    counts: Counts
    steady: Counts
    metrics: Metrics
    from_intended: Metrics
    populations: Mapping[str, Group]
    connect_failures: Mapping[str, int]


Rule = Callable[[Evidence], Finding | None]

SEND_LAG_MS: Final = 1.0
SEND_LAG_SHARE: Final = 0.01
"""The p99 from intended may exceed that from sent by the larger of 1 ms and 1 % (design.md section 3)."""


def nothing_measured(evidence: Evidence) -> Finding | None:
    if has_samples(evidence.metrics, evidence.populations):
        return None
    failures = ", ".join(f"{number:,} x {outcome}" for outcome, number in evidence.connect_failures.items())
    why = f"no user got a connection ({failures}): check --host and the tokens" if failures else "let it run for longer"
    return Finding(Status.INVALID, f"nothing was measured: {why}")


def cut_off(evidence: Evidence) -> Finding | None:
    if evidence.records.complete:
        return None
    return Finding(
        Status.INVALID,
        "incomplete: the run was cut off, or still goes on; messages that were open then are missing here",
    )


def unaccounted(evidence: Evidence) -> Finding | None:
    number = evidence.counts["unaccounted"]
    if not number:
        return None
    kind = "messages have no record" if number > 0 else "more records than messages"
    return Finding(Status.INVALID, f"the ledger does not close: {abs(number):,} {kind}; this is a fault of the tool")


def missing_processes(evidence: Evidence) -> Finding | None:
    missing = evidence.records.info.missing_processes
    if not missing:
        return None
    names = ", ".join(missing)
    return Finding(
        Status.INVALID, f"the last report of {names} never came; use fewer users a process, or a faster network"
    )


def lost_batches(evidence: Evidence) -> Finding | None:
    lost = evidence.records.lost_batches
    if not lost:
        return None
    names = ", ".join(f"{number:,} of {process}" for process, number in sorted(lost.items()))
    return Finding(Status.INVALID, f"reports were lost on their way: {names}; use fewer users a process")


def dropped_samples(evidence: Evidence) -> Finding | None:
    dropped = evidence.records.count("dropped_samples")
    return Finding(Status.INVALID, f"{dropped:,} samples were dropped by the recorder") if dropped else None


def send_lag(evidence: Evidence) -> Finding | None:
    """Where the same percentile differs by where it counts from, the generator's lateness is in the load."""
    for key, late in evidence.from_intended.items():
        prompt = evidence.metrics[key]
        if prompt.p99 is None or late.p99 is None:
            continue
        if late.p99 - prompt.p99 > max(SEND_LAG_MS, SEND_LAG_SHARE * prompt.p99):
            return Finding(
                Status.INVALID,
                f"the load generator sent late: {BY_KEY[key].label} p99 is {prompt.p99:.1f} ms from sent, "
                f"{late.p99:.1f} ms from intended; use --processes, or fewer users",
            )
    return None


def empty_window(evidence: Evidence) -> Finding | None:
    if evidence.steady["sent"] or not evidence.counts["sent"]:
        return None
    return Finding(Status.SUSPECT, "no message lies in the measured window; let it run for longer, or shorten --warmup")


def listener_errors(evidence: Evidence) -> Finding | None:
    errors = evidence.records.count("listener_error")
    if not errors:
        return None
    return Finding(Status.SUSPECT, f"{errors:,} errors in the handling of events; this is a fault of the tool")


def hook_errors(evidence: Evidence) -> Finding | None:
    errors = evidence.records.count("hook_error")
    if not errors:
        return None
    return Finding(
        Status.SUSPECT, f"{errors:,} errors in hooks of the locustfile; the console has them: mend the locustfile"
    )


RULES: Final[tuple[Rule, ...]] = (
    nothing_measured,
    cut_off,
    unaccounted,
    missing_processes,
    lost_batches,
    dropped_samples,
    send_lag,
    empty_window,
    listener_errors,
    hook_errors,
)


def judge(evidence: Evidence) -> Verdict:
    """The verdict of all rules: the status of the gravest finding, and the reasons, gravest first."""
    findings = [finding for rule in RULES if (finding := rule(evidence)) is not None]
    gravity = list(Status)
    findings.sort(key=lambda finding: -gravity.index(finding.status))
    status = findings[0].status if findings else Status.VALID
    return Verdict(str(status), [finding.reason for finding in findings])
