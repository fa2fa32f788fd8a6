"""A summary as Markdown, for a pull request or a job page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from loadtest.analysis.values import Summary
from loadtest.report.escaping import escaped
from loadtest.report.objectives import markdown_lines
from loadtest.report.outline import COLUMNS, Row, outline
from loadtest.report.units import INFINITE


def markdown(summary: Summary, *, by_behaviour: bool = False) -> str:
    """The summary as GitHub Flavored Markdown; `by_behaviour` with the numbers of each user class."""
    content = outline(summary, by_behaviour=by_behaviour)
    lines = [f"**run {content.status}**: {content.ledger}", ""]
    lines += [f"- {escaped(reason)}" for reason in content.reasons]
    if content.verdict:
        lines += [f"- {content.verdict}"]
    if summary.objectives is not None:
        lines += ["", *markdown_lines(summary.objectives, content.status)]
    if content.blocks:
        lines += [f"- {content.basis}", "", f"| metric | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    for block in content.blocks:
        suffix = f" ({block.title})" if block.title else ""
        lines += [f"| {row.label}{suffix} | {' | '.join(_cells(row))} |" for row in block.rows]
    lines += ["", *(f"- {escaped(note)}" for note in (*content.footnotes, *content.notes))]
    return "\n".join(lines).rstrip() + "\n"


def _cells(row: Row) -> Iterator[str]:
    """A percentile with its interval, as in `19.0 [18.2, 21.4] ms`."""
    for cell, span in zip_longest(row.cells, row.spans):
        at = f"{span.at} [{span.low}, {span.high}] {span.unit}" if span else cell
        yield at if span is None or span.at != INFINITE else f"{cell} [{span.low}, {span.high}] {span.unit}"
