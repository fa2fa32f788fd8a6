"""What `check` prints: the cases under the items of the guide's checklist, and the rate limit."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import Final
from xml.etree.ElementTree import Element, SubElement

import msgspec

from loadtest.analysis.conformance import Case, CaseVerdict, Conformance
from loadtest.analysis.limits.limiter import FoundKind, Limiter
from loadtest.report.escaping import escaped
from loadtest.report.junit import cleaned, document

WIDTH: Final = 100
_ID_WIDTH: Final = 17
_WORDS: Final = {
    CaseVerdict.CONFORMS: "conforms",
    CaseVerdict.DIFFERS: "differs",
    CaseVerdict.FAILS: "FAILS",
    CaseVerdict.UNTESTED: "untested",
}
_COLORS: Final = {CaseVerdict.CONFORMS: 32, CaseVerdict.DIFFERS: 33, CaseVerdict.FAILS: 31, CaseVerdict.UNTESTED: 2}


def text(found: Conformance, *, color: bool = False) -> str:
    """The findings as text, 100 columns wide.

    Args:
        color: with the escapes of a terminal.
    """
    lines = []
    for item, cases in groupby(found.cases, lambda case: case.item):
        lines.append(item)
        for case in cases:
            lines += _case_lines(case, color)
    lines += _limiter_lines(found.limiter)
    return "\n".join([*lines, headline(found)]) + "\n"


def headline(found: Conformance) -> str:
    """The counts of verdicts in a line."""
    counts = {verdict: found.count(verdict) for verdict in CaseVerdict}
    fails = counts[CaseVerdict.FAILS]
    parts = [
        f"{counts[CaseVerdict.CONFORMS]} conform",
        f"{counts[CaseVerdict.DIFFERS]} differ",
        f"{fails} FAIL" if fails else "0 fail",
        f"{counts[CaseVerdict.UNTESTED]} cannot be tested",
    ]
    return f"{found.host}: {len(found.cases)} cases in {found.took_s:g} s: {', '.join(parts)}"


def markdown(found: Conformance) -> str:
    """The findings as GitHub Flavored Markdown."""
    lines = [f"**{escaped(headline(found))}**", "", "| | case | verdict | seen |", "|---|---|---|---|"]
    for case in found.cases:
        verdict = f"**{case.verdict}**" if case.verdict is CaseVerdict.FAILS else case.verdict
        lines.append(f"| {case.number} | {escaped(case.title)} | {verdict} | {escaped(case.seen)} |")
    limiter = [line for line in _limiter_lines(found.limiter) if line]
    return "\n".join([*lines, "", *(f"- {escaped(line.strip())}" for line in limiter)]) + "\n"


def as_json(found: Conformance) -> str:
    """The findings as JSON: fields are added, never renamed, within a schema number."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def junit(found: Conformance) -> str:
    """The findings as JUnit XML: what cannot be tested is skipped."""
    suite = Element(
        "testsuite",
        name="loadtest check",
        tests=str(len(found.cases)),
        failures=str(found.count(CaseVerdict.FAILS)),
        errors="0",
        skipped=str(found.count(CaseVerdict.UNTESTED)),
        time=f"{found.took_s:.3f}",
    )
    properties = SubElement(suite, "properties")
    facts = {"host": found.host, "limiter": _limiter_words(found.limiter)}
    for name, value in facts.items():
        SubElement(properties, "property", name=name, value=cleaned(value))
    suite.extend(_junit_case(case) for case in found.cases)
    return document(suite)


# --- parts -----------------------------------------------------------------------------------------------------------
def _case_lines(case: Case, color: bool) -> list[str]:
    word = f"{_WORDS[case.verdict]:<8}"
    shown = f"\x1b[{_COLORS[case.verdict]}m{word}\x1b[0m" if color else word
    head = f"{case.number:>5} {case.id:<{_ID_WIDTH}} {shown}  "
    indent = 5 + 1 + _ID_WIDTH + 1 + 8 + 2
    seen = f"{case.seen} (expected: {case.title})" if case.verdict is CaseVerdict.FAILS else case.seen
    first, *rest = textwrap.wrap(seen, WIDTH - indent) or [""]
    return [head + first, *(" " * indent + line for line in rest)]


def _limiter_lines(limiter: Limiter) -> list[str]:
    if not limiter.evidence:
        return []
    lines = [f"rate limit: {_limiter_words(limiter)}"]
    for sentence in limiter.evidence:
        lines += textwrap.wrap(sentence, WIDTH - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def _limiter_words(limiter: Limiter) -> str:
    if limiter.kind is FoundKind.NONE:
        return "none found"
    if limiter.kind is FoundKind.UNCLEAR and limiter.limit is None:
        return "unclear"
    kind = "kind unclear" if limiter.kind is FoundKind.UNCLEAR else limiter.kind.value
    limit = "limit unknown" if limiter.limit is None else f"{limiter.limit} messages"
    if limiter.limit_bounds is not None and limiter.limit_bounds[0] < limiter.limit_bounds[1]:
        limit += " ({} to {})".format(*limiter.limit_bounds)
    window = "window unknown" if limiter.window_s is None else f"in {limiter.window_s:g} s"
    scope = (
        "" if limiter.scope is None else f", per {limiter.scope}" if limiter.scope != "all" else ", for all together"
    )
    return f"{kind}, {limit}{' ' if limiter.limit else ', '}{window}{scope}"


def _junit_case(case: Case) -> Element:
    element = Element("testcase", classname=cleaned(f"loadtest.check.{case.item}"), name=f"{case.number} {case.title}")
    if case.verdict is CaseVerdict.FAILS:
        SubElement(element, "failure", message=cleaned(case.seen), type="conformance")
    elif case.verdict is CaseVerdict.UNTESTED:
        SubElement(element, "skipped", message=cleaned(case.seen))
    else:
        SubElement(element, "system-out").text = cleaned(f"{case.verdict}: {case.seen}")
    return element
