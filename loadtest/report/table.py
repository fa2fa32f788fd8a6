"""A summary as text for a terminal, 100 columns wide."""

from __future__ import annotations

from typing import Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.analysis.values import Summary
from loadtest.report.objectives import for_terminal
from loadtest.report.outline import COLUMNS, Block, Outline, outline
from loadtest.report.terminal import sheet

WIDTH: Final = 100
_STYLES: Final = {"valid": "green", "suspect": "yellow", "invalid": "bold red"}


def text(summary: Summary, *, files: str = "", color: bool = False, by_behaviour: bool = False) -> str:
    """The summary as text.

    Args:
        files: a last line that says where the files of the run lie.
        color: with the escapes of a terminal.
        by_behaviour: with a block for each user class.
    """
    content = outline(summary, by_behaviour=by_behaviour)
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(Text(content.ledger))
        console.print(_verdict(content))
        for reason in content.reasons:
            console.print(Padding(Text(reason), (0, 0, 0, 2)))
        if summary.objectives is not None:
            for part in for_terminal(summary.objectives, content.status):
                console.print(part)
        if content.blocks:
            console.print(Text(content.basis), _table(content.blocks), sep="\n")
        for line in filter(None, (*content.footnotes, *content.notes, files)):
            console.print(Text(line))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _verdict(content: Outline) -> Text:
    status = content.status if content.status == "valid" else content.status.upper()
    line = Text("run ") + Text(status, style=_STYLES.get(content.status, ""))
    return line + Text(f": {content.verdict}" if content.verdict else "")


def _table(blocks: tuple[Block, ...]) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), header_style="dim", expand=True)
    table.add_column("", ratio=1, no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True, min_width=8 if column == "count" else 9)
    for place, block in enumerate(blocks):
        if block.title:
            table.add_row(Text(block.title, style="italic"))
        for row in block.rows:
            label = f"  {row.label}" if block.title else row.label
            table.add_row(Text(label, style="bold" if place == 0 else ""), *row.cells)
            if any(row.spans):
                ends = (span.ends if span else "" for span in row.spans)
                table.add_row("  95 %", *ends, style="dim")
    return table
