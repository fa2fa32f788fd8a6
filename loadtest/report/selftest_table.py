"""What a self-test found, as text, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.analysis.accuracy import QUANTILES, MetricAccuracy, PercentileError
from loadtest.analysis.selftest import Judgement, Level, Selftest
from loadtest.metrics import BY_KEY
from loadtest.report.escaping import escaped
from loadtest.report.terminal import sheet
from loadtest.report.units import DASH, milliseconds

WIDTH: Final = 100
COLUMNS: Final = ("users", "msg/s", "frames/s", "error of", "p50", "p90", "p99", "p99.9", "µs/frame", "CPU", "run")
_WIDTHS: Final = (5, 5, 8, 19, 8, 8, 9, 8, 8, 5, 7)
_WORDS: Final = ("error of", "run")
"""Columns of words; the others are of numbers."""
_BEYOND: Final = "!"
_STYLES: Final = {"valid": "green", "suspect": "yellow", "invalid": "bold red"}


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a level: a cell for each of `COLUMNS`, and the words of the run's verdict where it is the first."""

    cells: tuple[str, ...]
    status: str = ""


def text(result: Selftest, *, files: str = "", color: bool = False) -> str:
    """The result as text, 100 columns wide.

    Args:
        files: a last line that says where the files lie.
        color: with the escapes of a terminal.
    """
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(Text(_machine(result)))
        console.print(_table(result.levels))
        for level in result.disturbed:
            console.print(Text(f"generator {level.disturbance}", style="italic"))
            console.print(_table([level], header=False))
        for line in filter(None, (*_reasons(result), *conclusions(result), files)):
            console.print(Padding(Text(line), 0))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def markdown(result: Selftest) -> str:
    """The result as GitHub Flavored Markdown."""
    lines = [_machine(result), "", f"| {' | '.join(COLUMNS)} |"]
    lines += ["|" + "".join("---|" if name in _WORDS else "---:|" for name in COLUMNS)]
    for level in result.runs:
        first, *others = (row.cells for row in rows(level))
        first = (*first[:-1], ", ".join(filter(None, (first[-1], level.disturbance))))
        lines += [f"| {' | '.join(cells)} |" for cells in (first, *others)]
    lines += ["", *(f"- {escaped(line)}" for line in (*_reasons(result), *conclusions(result)))]
    return "\n".join(lines) + "\n"


def as_json(result: Selftest) -> str:
    """The content of `selftest.json`, indented."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def rows(level: Level) -> list[Row]:
    """One for each metric."""
    facts = (str(level.users), f"{level.messages_per_s:.0f}", f"{level.frames_per_s:,.0f}")
    cost = (
        DASH if level.cpu_us_per_frame is None else f"{level.cpu_us_per_frame:.0f}",
        _share(level.generator_cpu),
        level.verdict.status,
    )
    metrics = list(level.accuracy.metrics.items()) if level.accuracy else []
    if not metrics:
        return [Row((*facts, "nothing measured", *(DASH for _ in QUANTILES), *cost), level.verdict.status)]
    found = []
    for place, (key, metric) in enumerate(metrics):
        before, after = (facts, cost) if place == 0 else (("",) * 3, ("",) * 3)
        errors = tuple(_error(metric, name) for name, _ in QUANTILES)
        found.append(Row((*before, BY_KEY[key].label, *errors, *after), level.verdict.status if place == 0 else ""))
    return found


def conclusions(result: Selftest) -> list[str]:
    """What follows, a line each."""
    return [
        f"{_BEYOND} beyond what is allowed; µs/frame and CPU: what the generator takes of a core",
        _largest(result),
        *_limit(result),
        *(_disturbed(level) for level in result.disturbed),
        *_one_sided(result),
        *(
            f"BROKEN PROMISE: {_named(level)} was called valid with an error beyond what is allowed; this is a fault "
            "of the tool"
            for level in result.broken
        ),
    ]


def _machine(result: Selftest) -> str:
    facts = result.generator
    where = f"{facts.get('machine', 'this machine')}, {facts.get('cores', DASH)} core(s) for the generator"
    return f"{where}; error: measured less the server's own log"


def _table(levels: Sequence[Level], *, header: bool = True) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), header_style="dim", show_header=header, pad_edge=False)
    for name, width in zip(COLUMNS, _WIDTHS, strict=True):
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True, width=width)
    for row in (row for level in levels for row in rows(level)):
        *cells, last = row.cells
        table.add_row(*cells, Text(last, style=_STYLES.get(row.status, "")))
    return table


def _error(metric: MetricAccuracy, name: str) -> str:
    error = metric.percentiles[name]
    return DASH if error is None else f"{milliseconds(_rounded(error))}{'' if error.within else _BEYOND}"


def _rounded(error: PercentileError) -> float:
    """To whole microseconds: below that it is noise."""
    return round(error.error_ms, 3)


def _share(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.0f} %"


def _reasons(result: Selftest) -> Iterable[str]:
    for level in result.runs:
        for reason in level.verdict.reasons[:1]:
            yield f"{_named(level)}: {level.verdict.status}: {reason}"


def _one_sided(result: Selftest) -> Iterable[str]:
    for level in result.runs:
        worst = (
            max((metric.one_sided for metric in level.accuracy.metrics.values()), default=0) if level.accuracy else 0
        )
        if worst:
            yield f"{_named(level)}: {worst:,} replies are known to the generator or to the server alone"


def _named(level: Level) -> str:
    return f"{level.users:,} users" + (f", {level.disturbance}" if level.disturbance else "")


def _largest(result: Selftest) -> str:
    if result.max_users is None:
        return "this machine measures none of these loads within the larger of 1 ms and 1 %"
    return (
        f"this machine measures up to {result.max_users:,} users, {result.max_messages_per_s:,.0f} messages/s, "
        f"{result.max_frames_per_s:,.0f} frames/s: {result.promise}"
    )


def _limit(result: Selftest) -> Iterable[str]:
    last = result.levels[-1]
    busy = f"generator {_share(last.generator_cpu)}, server {_share(last.server_cpu)} of a core at {last.users:,} users"
    if result.fails_at_users is not None:
        who = f"the {result.limited_by} had no core to spare" if result.limited_by else "though both had time to spare"
        yield f"{result.fails_at_users:,} users are not measured right, {who}: {busy}"
    elif result.limited_by is not None:
        yield f"the {result.limited_by} had no core to spare: {busy}"
    else:
        yield f"more was not tried; there was room: {busy}"


def _disturbed(level: Level) -> str:
    said = {
        Judgement.OK: "called valid, and within what is allowed all the same",
        Judgement.BROKEN: "NOT caught: called valid",
        Judgement.CAUGHT: f"caught: the run says {level.verdict.status}",
        Judgement.CAUTIOUS: f"caught: the run says {level.verdict.status}",
        Judgement.OPEN: "too few messages for a p99",
    }
    return f"{_named(level)}: {said[level.judgement]}"
