"""`loadtest trend`: the runs of a folder in the order of time, and since which build a metric is worse."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from loadtest.settings import one_of, positive_int

from .options import Parsed
from .summarize import Format
from .terms import gate, positive_share

if TYPE_CHECKING:
    from loadtest.analysis.trend import Trend

NAME: Final = "trend"
SHIFTED: Final = 1
MARGIN: Final = 0.05
"""Smallest relative shift to tell of, unless another is asked for."""


@click.command("trend")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@click.option("--metric", "keys", type=Parsed(gate, "KEY"), multiple=True,
              help="What to watch, as in ack_delivered.p99; may be repeated [default: ack_delivered.p95, ttft.p95, "
              "stream_completion.p95, fanout.p95, delivered_ratio].")  # fmt: skip
@click.option("--margin", type=Parsed(positive_share, "SHARE"), default=f"{100 * MARGIN:g}%", show_default=True,
              help="Smallest shift to tell of; of ratios, at most 0.5 %.")  # fmt: skip
@click.option("--force", is_flag=True, help="Take invalid runs and those of other setups in, too.")
@click.option("--fail-on-shift", "newest", type=Parsed(positive_int, "RUNS"),
              help="Exit with 1 where a metric got worse within the newest so many runs, and is so still.")  # fmt: skip
@click.option("--csv", "table", type=click.Path(path_type=Path, dir_okay=False), help="File for a row a run, as CSV.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for the picture: .png, .svg or .pdf.")  # fmt: skip
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json or markdown.")  # fmt: skip
def trend(
    runs: tuple[Path, ...],
    keys: tuple[str, ...],
    margin: float,
    force: bool,
    newest: int | None,
    table: Path | None,
    output: Path | None,
    kind: Format,
) -> int:
    """Show the runs of a results FOLDER, a row each, and where a metric shifted.

    They are those of the newest run's setup. In a folder of its own, trend.png, trend.svg and trend.csv are left there.
    A shift is a warning, not a verdict: it exits with 0, unless --fail-on-shift asks for 1.
    """
    from .build_pictures import draw_trend  # noqa: PLC0415  # numpy and matplotlib, only now
    from .ci import add_to_job_summary  # noqa: PLC0415
    from .nights import nights, write_csv  # noqa: PLC0415
    from .pictures import files_in  # noqa: PLC0415

    result, notes = nights(runs, keys, margin, force=force)
    own = runs[0] if len(runs) == 1 and output is None and table is None else None
    pictures = [output] if output else files_in(own, NAME) if own else []
    record = table or (own / f"{NAME}.csv" if own else None)
    if record is not None:
        write_csv(result, record)
    if pictures:
        draw_trend(result, pictures)
    for note in notes:
        click.echo(note, err=True)
    add_to_job_summary(_shown(result, Format.MARKDOWN, ""))
    names = [path.name for path in (*pictures, record) if path is not None]
    click.echo(_shown(result, kind, f"{own}: {', '.join(names)}" if own else ", ".join(names)), nl=False)
    return SHIFTED if newest is not None and worse_within(result, newest) else 0


def worse_within(result: Trend, newest: int) -> bool:
    """Whether the level that a metric has now is worse than the one before, and began within the newest runs."""
    last = {shift.key: shift for shift in result.shifts}  # oldest first: what came after counts
    return any(shift.worse and shift.ago <= newest for shift in last.values())


def _shown(result: Trend, kind: Format, files: str) -> str:
    from loadtest.report import trend_table as report  # noqa: PLC0415  # rich, only now

    if kind is Format.JSON:
        return report.as_json(result) + "\n"
    if kind is Format.MARKDOWN:
        return report.markdown(result)
    return report.text(result, files=files, color=sys.stdout.isatty())
