"""A capacity as text, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.analysis.capacity import Capacity, Level, differs_from_little, spoken
from loadtest.analysis.capacity_search import End, Word
from loadtest.analysis.slo.values import Result
from loadtest.report.escaping import escaped
from loadtest.report.terminal import sheet
from loadtest.report.units import DASH, quantity, span

WIDTH: Final = 100
_STYLES: Final = {Word.PASS: "green", Word.FAIL: "bold red", Word.INCONCLUSIVE: "yellow", Word.UNSOUND: "yellow"}
_SHORT: Final = {
    "ack_delivered": "ack", "ack_received": "ack received", "stream_completion": "completion",
    "stream_complete_ratio": "complete", "delivered_ratio": "delivered", "connect_ratio": "connected",
}  # fmt: skip
_ROOM: Final = 22
"""Characters beside a verdict."""
_SHOWN: Final = 3
"""Objectives with a column of their own; the others are in `capacity.json`."""


def text(result: Capacity, *, files: str = "", color: bool = False) -> str:
    """The capacity as text, 100 columns wide where that is enough.

    Args:
        files: a last line that says where the files lie.
        color: with the escapes of a terminal.
    """
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(_table(result))
        for line in filter(None, (*notes(result), headline(result), files)):
            console.print(Padding(Text(line), 0))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def markdown(result: Capacity) -> str:
    """The capacity as GitHub Flavored Markdown."""
    names = _names(result)
    lines = [f"**{escaped(headline(result))}**", "", f"| {' | '.join(map(escaped, names))} |"]
    lines.append("|" + "---:|" * (len(names) - 2) + "---|---|")
    for each in _by_users(result):
        lines.append(f"| {' | '.join(map(escaped, (*_cells(each), shown(each.verdict), _short(each))))} |")
    lines += ["", *(f"- {escaped(line)}" for line in notes(result))]
    return "\n".join(lines) + "\n"


def as_json(result: Capacity) -> str:
    """The content of `capacity.json`, indented."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def headline(result: Capacity) -> str:
    """How many users it holds and what limits it, in one line; of a search that something stopped, that it was."""
    return f"BROKEN OFF: {_found(result)}" if result.stopped else _found(result)


def _found(result: Capacity) -> str:
    limited = f" Limited by: {result.limited_by}." if result.limited_by else ""
    if result.ended == End.GENERATOR:
        known = f"holds {result.passes_at_users:,} users or more" if result.passes_at_users else "nothing is known"
        return f"the load generator is the limit, so the capacity is not known: {known}.{limited}"
    if result.max_users is None:
        if result.fails_at_users is None:
            return f"no level passed for certain.{limited}"
        return f"fails with {result.fails_at_users:,} users, {_below(result)}{limited}"
    rate = "" if result.max_messages_per_s is None else f", {result.max_messages_per_s:,.0f} messages/s"
    if result.fails_at_users is None:
        return f"holds {result.max_users:,} users or more{rate}; no level failed.{limited}"
    return f"holds {result.max_users:,} users{rate} (fails at {result.fails_at_users:,}).{limited}"


def notes(result: Capacity) -> list[str]:
    """What one has to know to read the table."""
    lines = ["streams: open messages and answers by Little's law, delivered a second times the mean time of each"]
    lines += [
        f"{each.users:,} users: {each.in_flight:,.0f} were counted in flight, but {each.streams:,.0f} by Little's law"
        for each in _by_users(result)
        if differs_from_little(each)
    ]
    lines += [
        f"{each.users:,} users: {each.reason}"
        for each in spoken(_by_users(result))
        if each.reason and not _reason(each)
    ]
    if result.stopped:
        lines.append(f"broken off, so there is no more than this: {result.stopped}")
    if result.ended is not None and result.ended.startswith("--") and result.fails_at_users is not None:
        lines.append(f"ended by {result.ended} with a bracket wider than was asked for; allow for more to narrow it")
    if result.knee_users is not None:
        lines.append(f"knee, where throughput over latency is largest: {result.knee_users:,} users; a description")
    return lines


def times_of(times: float) -> str:
    """How much longer a level was measured than the first of so many users."""
    return f"{times:.1f} times as long"


def level_words(each: Level) -> str:
    """A level in one line."""
    seen = [f"{label_of(result)} {value_of(result)}" for result in each.objectives[:1]]
    rate = [] if each.delivered_per_s is None else [f"{_number(each.delivered_per_s)} messages/s"]
    reason = f": {each.reason}" if each.reason else ""
    return f"{each.users:,} users: {', '.join([*rate, *seen])}; {shown(each.verdict)}{reason}"


def label_of(result: Result) -> str:
    """The head of an objective's column."""
    name = _SHORT.get(result.metric, result.metric.replace("_", " "))
    return f"{name} {result.statistic.replace('_', '.')}" if result.statistic else name


def value_of(result: Result, *, interval: bool = True) -> str:
    """What was seen of an objective, and its interval."""
    if result.value is None:
        return result.beyond or DASH
    if result.unit == "ratio":
        return f"{100 * result.value:.2f} %"
    if result.unit == "count":
        return f"{result.value:,.0f}"
    if not interval or result.ci95 is None or result.unit != "ms":
        return quantity(result.value, result.unit)
    ends = span(result.value, *result.ci95)
    return f"{ends.at} [{ends.low}, {ends.high}] {ends.unit}"


def shown(word: Word) -> str:
    """A verdict as it is printed."""
    return word.upper() if word is Word.FAIL else str(word)


def _below(result: Capacity) -> str:
    """What is known of fewer users than those of the lowest level that failed, where none passed."""
    lowest = min(result.levels, key=lambda each: each.users)
    if result.ended == End.NOTHING_PASSES:
        remedy = "loosen it, or look at the server"
        return f"and no level passed. --slo: {lowest.reason} with {lowest.users:,} already; {remedy}."
    if lowest.verdict is Word.FAIL:
        return "and with fewer it is not known."
    return f"and with {lowest.users:,} it cannot be told."


def _table(result: Capacity) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), header_style="dim", pad_edge=False)
    for name in _names(result):
        table.add_column(name, justify="left" if name in ("verdict", "") else "right", no_wrap=True)
    for each in _by_users(result):
        verdict = Text(shown(each.verdict), style=_STYLES[each.verdict])
        table.add_row(*_cells(each), verdict, _short(each))
    return table


def _names(result: Capacity) -> tuple[str, ...]:
    first = result.levels[0].objectives[:_SHOWN] if result.levels else []
    objectives = [label_of(each) + (" [95 %]" if not place else "") for place, each in enumerate(first)]
    return ("users", "msg/s", "streams", *objectives, "lost", "generator", "verdict", "")


def _cells(each: Level) -> tuple[str, ...]:
    return (
        f"{each.users:,}",
        _number(each.delivered_per_s),
        _number(each.streams),
        *(value_of(result, interval=place == 0) for place, result in enumerate(each.objectives[:_SHOWN])),
        f"{each.lost:,}",
        DASH if each.generator_cpu is None else f"cpu {100 * each.generator_cpu:.0f} %",
    )


def _short(each: Level) -> str:
    """What stands beside a verdict."""
    return ", ".join(filter(None, (_reason(each), times_of(each.times) if each.times > 1 else "")))


def _reason(each: Level) -> str:
    """The reason as far as it fits beside its verdict; empty where it is told beneath the table."""
    decisive = next((result for result in each.objectives if result.objective == each.decisive), None)
    return label_of(decisive) if decisive is not None else each.reason if len(each.reason) <= _ROOM else ""


def _by_users(result: Capacity) -> Sequence[Level]:
    return sorted(result.levels, key=lambda each: each.users)


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"
