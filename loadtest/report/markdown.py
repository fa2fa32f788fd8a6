"""A summary as Markdown, for a pull request or a job page."""

from __future__ import annotations

from loadtest.analysis.values import Summary
from loadtest.report.outline import COLUMNS, outline


def markdown(summary: Summary) -> str:
    """The summary as GitHub Flavored Markdown."""
    content = outline(summary)
    lines = [f"**run {content.status}**: {content.ledger}", ""]
    lines += [f"- {escaped(reason)}" for reason in content.reasons]
    if content.verdict:
        lines += [f"- {content.verdict}"]
    if content.blocks:
        lines += [f"- {content.basis}", "", f"| metric | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    for block in content.blocks:
        suffix = f" ({block.title})" if block.title else ""
        lines += [f"| {row.label}{suffix} | {' | '.join(row.cells)} |" for row in block.rows]
    lines += ["", *(f"- {escaped(note)}" for note in (*content.intervals, content.footnote, *content.notes) if note)]
    return "\n".join(lines).rstrip() + "\n"


def escaped(line: str) -> str:
    """Text of a server must not become markup."""
    for character in "\\`*_<|[":
        line = line.replace(character, f"\\{character}")
    return line
