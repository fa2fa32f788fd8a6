"""What a run says to its objectives: the rows and lines that text, Markdown and JUnit have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from loadtest.analysis.slo.values import Decision, Goodput, Objectives, Result
from loadtest.objectives.names import PER_MESSAGE, RATIOS
from loadtest.report.escaping import escaped
from loadtest.report.units import DASH, INFINITE, milliseconds, number, span

STYLES: Final = {Decision.PASS: "green", Decision.INCONCLUSIVE: "yellow", Decision.FAIL: "bold red"}
_OF_MESSAGES: Final = {*PER_MESSAGE, *RATIOS} - {"connect_ratio"}


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """One objective, as texts.

    Attributes:
        name: what it is about.
        value: with its interval, where there is one.
        limit: as it was given.
        verdict: the decision; `FAIL` is to be seen at a glance.
        note: what more there is to say; may be empty.
    """

    name: str
    value: str
    limit: str
    verdict: Decision
    note: str

    @property
    def word(self) -> str:
        return "FAIL" if self.verdict is Decision.FAIL else str(self.verdict)


def rows(objectives: Objectives) -> list[ObjectiveRow]:
    """A row an objective, in the order in which they were given."""
    return [
        ObjectiveRow(each.name, _value(each), each.objective.removeprefix(each.name).strip(), each.verdict, _note(each))
        for each in objectives.results
    ]


def conclusions(objectives: Objectives, status: str) -> list[str]:
    """What stands beneath the rows: goodput, why the run was aborted, and the verdict on all, last.

    Args:
        status: of the run: `valid`, `suspect` or `invalid`.
    """
    found = objectives.goodput
    asked = found is not None and (found.limits or any(each.metric == "goodput" for each in objectives.results))
    lines = [_goodput(found)] if found is not None and asked else []
    if objectives.aborted:
        lines.append(f"aborted: {objectives.aborted}")
    return [*lines, verdict_line(objectives, status)]


def verdict_line(objectives: Objectives, status: str) -> str:
    """All objectives in one line; that of a run which cannot be vouched for says so."""
    found = [each.verdict for each in objectives.results]
    words = {Decision.FAIL: "missed", Decision.INCONCLUSIVE: "inconclusive", Decision.PASS: "met"}
    parts = [f"{found.count(verdict)} {word}" for verdict, word in words.items() if verdict in found]
    verdict = "FAIL" if objectives.verdict is Decision.FAIL else str(objectives.verdict)
    parts = [*(["the run was aborted"] if objectives.aborted else []), *parts]
    return f"objectives: {verdict}: {', '.join(parts)}" + (" (of an invalid run)" if status == "invalid" else "")


def for_terminal(objectives: Objectives, status: str) -> Iterable[Table | Text]:
    """Rows and conclusions for a terminal."""
    if objectives.results:
        yield _table(objectives)
    *others, verdict = conclusions(objectives, status)
    yield from map(Text, others)
    yield Text(verdict, style=STYLES[objectives.verdict])


def _table(objectives: Objectives) -> Table:
    shown = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    shown.add_column("", no_wrap=True)
    for column in range(2):
        shown.add_column("", no_wrap=True, justify="right" if column == 0 else "left")
    shown.add_column("")
    for row in rows(objectives):
        verdict = Text(row.word, style=STYLES[row.verdict]) + Text(f"  {row.note}" if row.note else "")
        shown.add_row(row.name, row.value, row.limit, verdict)
    return shown


def markdown_lines(objectives: Objectives, status: str) -> Iterable[str]:
    """The same as GitHub Flavored Markdown, verdict first."""
    *others, verdict = conclusions(objectives, status)
    yield f"**{verdict}**"
    if objectives.results:
        yield from ("", "| objective | value [95 %] | limit | verdict | |", "|---|---:|---|---|---|")
        for row in rows(objectives):
            word = f"**{row.word}**" if row.verdict is not Decision.PASS else row.word
            yield f"| {escaped(row.name)} | {row.value} | {escaped(row.limit)} | {word} | {row.note} |"
    yield ""
    yield from (f"- {escaped(line)}" for line in others)


def _value(each: Result) -> str:
    if each.unit == "ratio":
        return _ratio(each.value, each.ci95)
    if each.unit == "count":
        return DASH if each.value is None else number(int(each.value))
    low, high = each.ci95 or (each.ci95_from, math.inf)
    if low is None:
        return each.beyond or _plain(each.value, each.unit)
    if each.unit != "ms":
        return f"{_plain(each.value, '')}[{low:,.3g}, {high:,.3g}] {each.unit}"
    found = span(math.inf if each.value is None else each.value, low, high)
    at = each.beyond if found.at == INFINITE and each.beyond else found.at
    return f"{at} [{found.low}, {found.high}] {found.unit}"


def _plain(value: float | None, unit: str) -> str:
    return milliseconds(value) if unit == "ms" else DASH if value is None else f"{value:,.3g} {unit}"


def _ratio(value: float | None, ci95: tuple[float, float] | None) -> str:
    if value is None:
        return DASH
    interval = f" [{_percent(ci95[0])}, {_percent(ci95[1])}]" if ci95 else ""
    return f"{_percent(value)}{interval} %"


def _percent(share: float) -> str:
    """A share in per cent, with two digits, or as many as tell it from all of them."""
    if share == 1:
        return "100"
    digits = next((digits for digits in range(2, 7) if round(100 * share, digits) < 100), 6)
    return f"{100 * share:.{digits}f}"


def _note(each: Result) -> str:
    what = "messages" if each.metric in _OF_MESSAGES else "samples"
    if each.unmeasured:
        return "nothing of it in this run"
    if each.verdict is Decision.INCONCLUSIVE:
        settled = f"about {_rounded(each.needed)} would settle it" if each.needed else "it lies at its limit"
        return f"{number(each.samples)} {what}; {settled}"
    if each.verdict is Decision.FAIL and each.missed:
        return f"{number(each.missed)} of {number(each.samples)} {what} missed it"
    return ""


def _rounded(needed: int) -> str:
    """Upwards to two digits: it is an estimate."""
    unit = 10 ** max(len(str(needed)) - 2, 0)
    return f"{math.ceil(needed / unit) * unit:,}"


def _goodput(found: Goodput) -> str:
    limits = ", ".join(f"{key} {text.partition(' ')[2]}" for key, text in found.limits.items())
    within = f" within {limits}" if limits else ""
    pace = f", {found.per_s:,.1f}/s" if found.per_s is not None else ""
    return (
        f"goodput {_ratio(found.ratio, found.ci95)}: {number(found.good)} of {number(found.attempted)} messages "
        f"delivered{within}{pace}"
    )
