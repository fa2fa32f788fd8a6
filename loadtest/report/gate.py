"""What `gate` prints: the run in a line, its objectives, and the verdict on them."""

from __future__ import annotations

import msgspec
from rich.padding import Padding
from rich.text import Text

from loadtest.analysis.slo.values import Objectives
from loadtest.analysis.values import Summary
from loadtest.report.escaping import escaped
from loadtest.report.objectives import for_terminal, markdown_lines
from loadtest.report.outline import outline
from loadtest.report.terminal import sheet

SCHEMA = 1
WIDTH = 100


def text(summary: Summary, objectives: Objectives, *, color: bool = False) -> str:
    """The verdict as text, 100 columns wide.

    Args:
        color: with the escapes of a terminal.
    """
    content = outline(summary)
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(Text(content.ledger))
        console.print(Text(f"run {content.status if content.status == 'valid' else content.status.upper()}"))
        for reason in content.reasons:
            console.print(Padding(Text(reason), (0, 0, 0, 2)))
        for part in for_terminal(objectives, content.status):
            console.print(part)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def markdown(summary: Summary, objectives: Objectives) -> str:
    """The verdict as GitHub Flavored Markdown."""
    content = outline(summary)
    facts = [content.ledger, f"run {content.status}", *content.reasons]
    lines = [*markdown_lines(objectives, content.status), *(f"- {escaped(fact)}" for fact in facts)]
    return "\n".join(lines) + "\n"


def as_json(summary: Summary, objectives: Objectives) -> str:
    """The verdict as JSON: fields are added, never renamed, within a schema number."""
    run = summary.run
    content = {
        "schema": SCHEMA,
        "verdict": objectives.verdict,
        "run": {
            "folder": run.folder,
            "started_utc": run.started_utc,
            "host": run.host,
            "labels": run.labels,
            "verdict": summary.verdict,
        },
        "objectives": objectives.results,
        "goodput": objectives.goodput,
        "aborted": objectives.aborted,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
