"""Can the numbers of a run be trusted? A list of small rules, each of which may find one fault."""

from __future__ import annotations

from typing import Final

from loadtest.analysis.finding import Evidence, Finding, Rule, Status
from loadtest.analysis.generator_rules import GENERATOR_RULES
from loadtest.analysis.record_rules import RECORD_RULES
from loadtest.analysis.values import Verdict
from loadtest.analysis.worker_rules import WORKER_RULES

RULES: Final[tuple[Rule, ...]] = (*RECORD_RULES, *WORKER_RULES, *GENERATOR_RULES)
"""Of equally grave findings, the one of the earlier rule is told first."""


def judge(evidence: Evidence) -> Verdict:
    """The verdict of all rules: the status of the gravest finding, and the reasons, gravest first."""
    findings = [finding for rule in RULES if (finding := rule(evidence)) is not None]
    gravity = list(Status)
    findings.sort(key=lambda finding: -gravity.index(finding.status))
    status = findings[0].status if findings else Status.VALID
    return Verdict(str(status), _told(findings))


def _told(findings: list[Finding]) -> list[str]:
    """Each reason with its remedy; a remedy that several share is told once."""
    first = {finding.remedy: place for place, finding in reversed(list(enumerate(findings)))}
    return [
        f"{finding.reason}; {finding.remedy}" if first[finding.remedy] == place else finding.reason
        for place, finding in enumerate(findings)
    ]
