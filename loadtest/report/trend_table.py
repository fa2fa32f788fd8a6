"""A trend as text, as Markdown, as JSON and as CSV."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Final

import msgspec
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.analysis.changes import FEWEST, SHORTEST
from loadtest.analysis.sample import QUANTITIES
from loadtest.analysis.trend import LevelShift, Row, Trend
from loadtest.report.escaping import escaped
from loadtest.report.terminal import sheet
from loadtest.report.units import DASH, amount

WIDTH: Final = 100
SHOWN: Final = 30
"""Newest rows that text and Markdown show; the CSV has all."""
_LABEL_WIDTH: Final = 14
_MARKS: Final = {True: "!", False: "*"}
"""Behind a value with which a level begins: worse, better."""


def text(result: Trend, *, files: str = "", color: bool = False) -> str:
    """The trend as text, 100 columns wide.

    Args:
        files: a last line that says where the files lie.
        color: with the escapes of a terminal.
    """
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(Text(headline(result)))
        for shift in result.shifts:
            console.print(Padding(Text(shift_line(shift), style="bold red" if shift.worse else ""), 0))
        console.print(_table(result))
        for line in filter(None, (*legend(result), files)):
            console.print(Padding(Text(line), 0))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def markdown(result: Trend) -> str:
    """The trend as GitHub Flavored Markdown."""
    names = ["night", result.label or "run", *(QUANTITIES[key].label for key in result.keys)]
    lines = [f"**{escaped(headline(result))}**", "", *(f"- {escaped(shift_line(shift))}" for shift in result.shifts)]
    lines += ["", f"| {' | '.join(map(escaped, names))} |", "|---|---|" + "---:|" * len(result.keys)]
    for place, row in _newest(result):
        lines.append(f"| {' | '.join(map(escaped, _cells(result, place, row)))} |")
    lines += ["", *(f"- {escaped(line)}" for line in legend(result))]
    return "\n".join(lines) + "\n"


def as_json(result: Trend) -> str:
    """The trend as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode({"schema": 1} | msgspec.structs.asdict(result)), indent=2).decode()


def as_csv(result: Trend) -> str:
    """A row for each run, base units; `shifts` names the keys that take on a level, `silent` those of `Row.silent`."""
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    labels = list(dict.fromkeys(key for row in result.rows for key in row.labels))
    units = {key: QUANTITIES[key].unit for key in result.keys}
    heads = [f"{key}_{unit.replace('/', '_per_')}" if unit else key for key, unit in units.items()]
    writer.writerow(["started_utc", "run", "verdict", *(f"label_{key}" for key in labels), *heads, "shifts", "silent"])
    for place, row in enumerate(result.rows):
        begun = " ".join(shift.key for shift in result.shifts if shift.place == place)
        own = [row.labels.get(key, "") for key in labels]
        values = (row.values.get(key, "") for key in result.keys)
        writer.writerow([row.started_utc, row.folder, row.status, *own, *values, begun, " ".join(row.silent)])
    return file.getvalue()


def headline(result: Trend) -> str:
    """How many runs, and whether anything shifted for the worse."""
    worse = [shift for shift in result.shifts if shift.worse]
    runs = f"trend, {len(result.rows)} run{'' if len(result.rows) == 1 else 's'}"
    if len(result.rows) < FEWEST:
        return f"{runs}: too few to find a shift in; it takes {FEWEST}"
    return f"{runs}: {len(worse)} shift{'' if len(worse) == 1 else 's'} for the worse"


def shift_line(shift: LevelShift) -> str:
    """What shifted, by how much, since when."""
    word = "warn" if shift.worse else "better"
    ago = "the last run" if shift.ago == 1 else f"{shift.ago} runs"
    return f"{word}: {QUANTITIES[shift.key].label} {100 * (shift.ratio - 1):+.1f} % since {shift.label} ({ago})"


def legend(result: Trend) -> list[str]:
    """What one has to know to read the table."""
    lines = []
    if len(result.rows) > SHOWN:
        lines.append(f"the newest {SHOWN} of {len(result.rows)} runs")
    if result.shifts:
        lines.append(
            f"! worse, * better from here on: E-divisive change point, p at most 1 %, at least {SHORTEST} runs a "
            f"level, {100 * result.margin:g} % or more; whether it is real, `loadtest ab` can tell"
        )
    if any(row.silent for row in result.rows):
        lines.append("at least (>): it lies among messages that were not answered within the timeout")
    reasons: dict[str, list[str]] = {}
    for folder, reason in result.left_out.items():
        reasons.setdefault(reason, []).append(folder)
    lines += [f"left out: {_some(folders)} {reason}" for reason, folders in reasons.items()]
    return lines


def _some(folders: list[str]) -> str:
    return folders[0] if len(folders) == 1 else f"{folders[0]} and {len(folders) - 1} more: each"


def _table(result: Trend) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), header_style="dim", pad_edge=False)
    table.add_column("night")
    table.add_column(result.label or "run", max_width=_LABEL_WIDTH, no_wrap=True)
    for key in result.keys:
        table.add_column(QUANTITIES[key].label, justify="right", max_width=14)
    for place, row in _newest(result):
        table.add_row(*map(Text, _cells(result, place, row)))
    return table


def _newest(result: Trend) -> list[tuple[int, Row]]:
    return list(enumerate(result.rows))[-SHOWN:]


def _cells(result: Trend, place: int, row: Row) -> list[str]:
    begun = {shift.key: _MARKS[shift.worse] for shift in result.shifts if shift.place == place}
    name = row.labels.get(result.label, DASH) if result.label else row.folder.partition("-")[2]
    night = row.started_utc[:16].replace("T", " ")
    values = (
        f"{'> ' if key in row.silent else ''}{amount(row.values.get(key), QUANTITIES[key].unit)}{begun.get(key, ' ')}"
        for key in result.keys
    )
    return [night if row.status == "valid" else f"{night} {row.status}", name, *values]
