"""A comparison of two builds, as text, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from loadtest.analysis.compare import Change, Comparison, Kind, Word
from loadtest.analysis.sample import QUANTITIES
from loadtest.report.escaping import escaped
from loadtest.report.terminal import sheet
from loadtest.report.units import DASH, INFINITE, amount

WIDTH: Final = 100
INTERVAL: Final = "95 %"
COLUMNS: Final = ("", "base", "candidate", "change", INTERVAL, "exact", "verdict")
_WIDTHS: Final = (24, 11, 11, 9, 16, 7, 12)
_WORDS: Final = ("", "verdict")
_LARGE: Final = 11.0
"""Ratio above which a change in per cent, +1,000 % and more, is no longer read as one."""
_STYLES: Final = {Word.REGRESSED: "bold red", Word.IMPROVED: "green", Word.EQUIVALENT: "green"}


def text(result: Comparison, *, files: str = "", color: bool = False) -> str:
    """The comparison as text, 100 columns wide.

    Args:
        files: a last line that says where the files lie.
        color: with the escapes of a terminal.
    """
    console = sheet(WIDTH, color=color)
    with console.capture() as capture:
        console.print(Text(runs_line(result)))
        console.print(Text("verdict ") + _verdict(result.verdict) + Text(f": {headline(result)}"))
        console.print(_table(result))
        for line in filter(None, (*pairs(result), *legend(result), files)):
            console.print(Padding(Text(line), 0))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def markdown(result: Comparison) -> str:
    """The comparison as GitHub Flavored Markdown."""
    lines = [f"**{shown(result.verdict)}**: {escaped(headline(result))}", "", escaped(runs_line(result)), ""]
    lines += [f"| {' | '.join(COLUMNS)} | pairs, % |"]
    lines += ["|" + "".join("---|" if name in _WORDS else "---:|" for name in COLUMNS) + "---|"]
    for change in result.metrics.values():
        label, *others = (*cells(change), shown(change.verdict))
        label = f"**{label}**" if change.gated else label
        lines.append(f"| {' | '.join((label, *others, _pairs(change)))} |")
    lines += ["", *(f"- {escaped(line)}" for line in legend(result))]
    return "\n".join(lines) + "\n"


def as_json(result: Comparison) -> str:
    """The content of `comparison.json`, indented."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def headline(result: Comparison) -> str:
    """Why the verdict is what it is, in one line."""
    gated = result.gated.values()
    found = [change.label for change in gated if change.verdict is result.verdict]
    if result.verdict is Word.INCONCLUSIVE:
        found += [QUANTITIES[key].label for key in result.unjudged]
    if result.kind is Kind.DESCRIPTIVE:
        return "one run against one run is a description"
    if not found:
        return "no metric decides"
    if result.verdict is Word.EQUIVALENT:
        return f"every gate lies within its margin, {_margins(gated)}"
    if result.verdict is Word.INCONCLUSIVE:
        return f"neither a change nor its absence is shown of {', '.join(found)}"
    return ", ".join(
        f"{change.label} {percent_change(change.ratio)} {_interval(change)}"
        for change in gated
        if change.verdict is result.verdict
    )


def legend(result: Comparison) -> list[str]:
    """What one has to know to read the table, a line each."""
    lines = [*_needed(result), *_unjudged(result), *_seen(result), *result.notes]
    if result.kind is not Kind.DESCRIPTIVE:
        gates, test = len(result.gated), "sign-flip" if result.kind is Kind.PAIRED else "Mann-Whitney"
        lines.append(
            f"95 %: t interval of the mean log ratio, the run being the sample. A change is found when its p, after "
            f"Holm over {gates} gate{'' if gates == 1 else 's'}, is below 5 % and it is not within the margin; exact: "
            f"p of the {test} test, as a check"
        )
    if any(any(change.silent) for change in result.metrics.values()):
        lines.append("at least (>): in some runs it lies among messages that were not answered within the timeout")
    if any(change.provider_bound for change in result.metrics.values()):
        lines.append("° provider-bound: mostly the live model's doing")
    lines += [f"not compared: {label}: {reason}" for label, reason in _grouped(result.left_out)]
    return lines


def pairs(result: Comparison) -> list[str]:
    """The change in every pair, a line for each gate."""
    if result.kind is not Kind.PAIRED:
        return []
    return [f"pairs, %: {change.label}: {_pairs(change)}" for change in result.gated.values()]


def runs_line(result: Comparison) -> str:
    """How many runs were compared, and the margin."""
    base, candidate = len(result.base), len(result.candidate)
    if result.kind is Kind.PAIRED:
        runs = f"{base} pairs of runs"
    else:
        runs = f"{base} run{'' if base == 1 else 's'} against {candidate}"
    return f"{runs}{' of one build (A/A)' if result.same else ', candidate to base'}; margin {_share(result.margin)}"


def _table(result: Comparison) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 1), header_style="dim", pad_edge=False)
    for name, width in zip(COLUMNS, _WIDTHS, strict=True):
        folds = name == INTERVAL  # in a line that is too wide, so that no word is cut
        table.add_column(name, justify="left" if name in _WORDS else "right", min_width=width, no_wrap=not folds)
    rest = False
    for change in result.metrics.values():
        if not change.gated and not rest:
            table.add_row(Text("not gated", style="italic"))
            rest = True
        table.add_row(*map(Text, cells(change)), _verdict(change.verdict))
    return table


def cells(change: Change) -> tuple[str, ...]:
    """A quantity for each of `COLUMNS` but the verdict."""
    base, candidate = (
        f"{'> ' if silent else ''}{amount(value, change.unit)}"
        for value, silent in zip(change.means, change.silent, strict=True)
    )
    mark = "°" if change.provider_bound else ""
    return (
        f"{change.label}{mark}",
        base,
        candidate,
        percent_change(change.ratio),
        _interval(change),
        _p(change),
    )


def _pairs(change: Change) -> str:
    """Every pair: the mean may hide an outlier."""
    return " ".join(percent_change(ratio).removesuffix(" %") for ratio in change.pair_ratios)


def _verdict(word: Word) -> Text:
    return Text(shown(word), style=_STYLES.get(word, ""))


def shown(word: Word) -> str:
    """A verdict, the bad one to be seen at a glance."""
    return word.upper() if word is Word.REGRESSED else str(word)


def _needed(result: Comparison) -> Iterable[str]:
    """What it would take to know, as a new experiment: one that goes on until it turns is none."""
    unit = "pairs" if result.kind is Kind.PAIRED else "runs a side"
    for change in result.gated.values():
        if change.verdict is Word.INCONCLUSIVE and change.new_pairs is not None and not result.same:
            size = _share(result.detect if change.unit else 2 * change.margin)
            yield f"{change.label}: a new experiment of {change.new_pairs} {unit} has 80 % power to find {size}"


def _unjudged(result: Comparison) -> Iterable[str]:
    if result.unjudged:
        names = ", ".join(QUANTITIES[key].label for key in result.unjudged)
        delivered = result.metrics.get("delivered_ratio")
        if delivered is not None and 0.0 in (*delivered.base, *delivered.candidate):
            yield f"where nothing is delivered there is nothing to judge {names} by"
        else:
            yield f"too few samples to judge {names}: make the runs longer, or name other gates with --gate"


def _seen(result: Comparison) -> Iterable[str]:
    """The noise floor, where that was looked for."""
    known = [change for change in result.gated.values() if change.sees is not None]
    if result.same and known:
        found = ", ".join(f"{change.label} {size_of(change.sees or 0)}" for change in known)
        yield f"the smallest change that this setup finds with a power of 80 %: {found}"


def _margins(gated: Iterable[Change]) -> str:
    return " or ".join(dict.fromkeys(_share(change.margin) for change in gated))


def _interval(change: Change) -> str:
    if change.ci95 is None:
        return DASH
    digits = 2 if not change.unit else 1
    low, high = (INFINITE if end is None else _changed(end, digits) for end in change.ci95)
    return f"[{low}, {high}]"


def percent_change(ratio: float) -> str:
    """A ratio as the change in per cent; a large one as it is, as in `x240`."""
    return f"{_changed(ratio, 1)}{' %' if ratio <= _LARGE else ''}"


def size_of(sees: float) -> str:
    """The smallest change that is seen; beyond a doubling its digits say nothing."""
    return f"{100 * sees:.1f} %" if sees <= 1 else "more than 100 %"


def _changed(ratio: float, digits: int) -> str:
    if ratio > _LARGE:
        return f"x{ratio:,.0f}" if ratio < 1e6 else f"x{ratio:.0e}"
    return _signed(100 * (ratio - 1), digits)


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0: there is no -0.0 %


def _share(value: float) -> str:
    return f"{100 * value:g} %"


def _p(change: Change) -> str:
    p = change.p_exact
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _grouped(left_out: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Keys that share a reason, together."""
    reasons: dict[str, list[str]] = {}
    for key, reason in left_out.items():
        reasons.setdefault(reason, []).append(key)
    return [(", ".join(keys), reason) for reason, keys in reasons.items()]
