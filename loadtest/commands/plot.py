"""`loadtest plot`: latency against percentile, of one run or of several on top of each other."""

from __future__ import annotations

from pathlib import Path

import click

from loadtest.metrics import BY_KEY

from .options import Parsed


def metric(text: str) -> str:
    """The key of a metric."""
    if text not in BY_KEY:
        raise ValueError(f"{text!r} is no metric; there are {', '.join(BY_KEY)}")
    return text


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--metric", "metrics", type=Parsed(metric, "KEY"), multiple=True,
              help="Metric to draw; may be repeated [default: ack_delivered, ttft, stream_completion].")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for the picture: .png, .svg or .pdf [default: into the first run folder].")  # fmt: skip
def plot(runs: tuple[Path, ...], metrics: tuple[str, ...], output: Path | None) -> None:
    """Draw latency against percentile of RUN folders, on top of each other where there are several.

    Without --output, one run also gets its timeline.
    """
    from .opened import open_run  # noqa: PLC0415  # numpy and matplotlib, only now
    from .pictures import draw_percentiles, draw_timeline, files_in  # noqa: PLC0415

    opened = [open_run(run) for run in runs]
    for run in opened:
        run.refuse_if_empty()
    first = opened[0]
    files = [output] if output else files_in(first.folder, "percentiles" if len(runs) == 1 else "overlay")
    draw_percentiles(opened, metrics, files)
    if output is None and len(runs) == 1:
        line = files_in(first.folder, "timeline")
        draw_timeline(first, line)
        files += line
    for file in files:
        click.echo(file)
