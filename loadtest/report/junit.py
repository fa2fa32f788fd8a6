"""Objectives as JUnit XML, which every CI system shows: a test case for each, and one for the run itself.

The schema is the one of Jenkins' JUnit plugin. An inconclusive objective is a skipped test: it neither held nor broke.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from loadtest.analysis.slo.values import Decision, Objectives
from loadtest.analysis.values import Summary
from loadtest.report.objectives import ObjectiveRow, rows

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped; a server may send them in a reason."""


def junit(summary: Summary, objectives: Objectives) -> str:
    """The XML document."""
    run, found = summary.run, rows(objectives)
    cases = [_run_case(summary, objectives), *(_case(run.scenario, row) for row in found)]
    suite = Element(
        "testsuite",
        name=cleaned(f"loadtest {run.scenario}"),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=f"{run.duration_s:.3f}",
        timestamp=run.started_utc,
    )
    properties = SubElement(suite, "properties")
    facts = {"host": run.host, "folder": run.folder, "seed": str(run.seed), "version": run.tool_version}
    for name, value in {**facts, **run.labels}.items():
        SubElement(properties, "property", name=cleaned(name), value=cleaned(value))
    suite.extend(cases)
    return document(suite)


def document(suite: Element) -> str:
    """One suite of test cases as an XML document."""
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _run_case(summary: Summary, objectives: Objectives) -> Element:
    verdict = summary.verdict
    case = Element("testcase", classname=cleaned(f"loadtest.{summary.run.scenario}"), name="the run itself")
    if verdict.status == "invalid":
        SubElement(case, "error", message="the run is invalid", type="invalid").text = cleaned(
            "\n".join(verdict.reasons)
        )
    elif objectives.aborted:
        SubElement(case, "failure", message=cleaned(f"aborted: {objectives.aborted}"), type="aborted")
    return case


def _case(scenario: str, row: ObjectiveRow) -> Element:
    case = Element("testcase", classname=cleaned(f"loadtest.{scenario}"), name=f"{row.name} {row.limit}")
    told = f"{row.name} {row.value}, wanted {row.limit}" + (f"; {row.note}" if row.note else "")
    if row.verdict is Decision.FAIL:
        SubElement(case, "failure", message=told, type="objective")
    elif row.verdict is Decision.INCONCLUSIVE:
        SubElement(case, "skipped", message=f"inconclusive: {told}")
    else:
        SubElement(case, "system-out").text = told
    return case


def cleaned(text: str) -> str:
    """Text that XML can hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
