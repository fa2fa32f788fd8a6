"""`loadtest plot`: the pictures of runs, of two builds, and of many nights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click

from loadtest.metrics import BY_KEY
from loadtest.settings import one_of

from .compare import AGAINST, AgainstCommand
from .options import Parsed


def metric(text: str) -> str:
    """The key of a metric."""
    if text not in BY_KEY:
        raise ValueError(f"{text!r} is no metric; there are {', '.join(BY_KEY)}")
    return text


class Kind(StrEnum):
    """What to draw."""

    PERCENTILES = "percentiles"
    TIMELINE = "timeline"
    RECOVERY = "recovery"
    COMPARISON = "comparison"
    TREND = "trend"


@click.command("plot", cls=AgainstCommand)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--kind", type=Parsed(one_of(Kind), "KIND"),
              help="percentiles, timeline, recovery (after outages), "
              "comparison (RUN... --against CANDIDATE..., or an ab folder) or trend "
              "[default: percentiles, and the timeline of one run].")  # fmt: skip
@click.option(AGAINST, "candidate", type=click.Path(path_type=Path), multiple=True, metavar="CANDIDATE...",
              help="Runs of the candidate, for a comparison.")  # fmt: skip
@click.option("--metric", "metrics", type=Parsed(metric, "KEY"), multiple=True,
              help="Metric to draw; may be repeated [default: ack_delivered, ttft, stream_completion].")  # fmt: skip
@click.option("--force", is_flag=True, help="Compare unlike and invalid runs, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for the picture: .png, .svg or .pdf [default: into the first run folder; of a comparison or "
              "trend, into the first folder given].")  # fmt: skip
def plot(
    runs: tuple[Path, ...],
    kind: Kind | None,
    candidate: tuple[Path, ...],
    metrics: tuple[str, ...],
    force: bool,
    output: Path | None,
) -> None:
    """Draw RUN folders: latency against percentile, on top of each other where there are several, and more."""
    if metrics and kind not in (None, Kind.PERCENTILES):
        raise click.UsageError(
            f"--metric: goes with --kind percentiles; a {kind} has its own, so leave one of the two out"
        )
    if candidate and kind not in (None, Kind.COMPARISON):
        raise click.UsageError(f"{AGAINST}: goes with --kind comparison; leave one of the two out")
    if kind is Kind.COMPARISON or candidate:
        files = _comparison(runs, candidate, output, force=force)
    elif kind is Kind.TREND:
        files = _trend(runs, output, force=force)
    else:
        files = _runs(runs, kind, metrics, output)
    for file in files:
        click.echo(file)


def _runs(runs: tuple[Path, ...], kind: Kind | None, metrics: tuple[str, ...], output: Path | None) -> list[Path]:
    from .opened import open_run  # noqa: PLC0415  # numpy and matplotlib, only now
    from .pictures import draw_percentiles, draw_recovery, draw_timeline, files_in  # noqa: PLC0415

    if kind in (Kind.TIMELINE, Kind.RECOVERY) and len(runs) > 1:
        raise click.UsageError(f"--kind: a {kind} is of one run; name one")
    opened = [open_run(run) for run in runs]
    for run in opened:
        run.refuse_if_empty()
    first, drawn = opened[0], []
    if kind is Kind.RECOVERY:
        drawn = [output] if output else files_in(first.folder, "recovery")
        draw_recovery(first, drawn)
        return drawn
    if kind is not Kind.TIMELINE:
        drawn = [output] if output else files_in(first.folder, "percentiles" if len(runs) == 1 else "overlay")
        draw_percentiles(opened, metrics, drawn)
    if kind is Kind.TIMELINE or (kind is None and output is None and len(runs) == 1):
        line = [output] if output else files_in(first.folder, "timeline")
        draw_timeline(first, line)
        drawn = [*drawn, *line]
    return drawn


def _comparison(base: tuple[Path, ...], candidate: tuple[Path, ...], output: Path | None, *, force: bool) -> list[Path]:
    from .build_pictures import draw_comparison  # noqa: PLC0415  # numpy and matplotlib, only now
    from .builds import compare_builds, open_samples, sides  # noqa: PLC0415
    from .pictures import files_in  # noqa: PLC0415

    found = sides(base, candidate)
    first, second = open_samples(found.base), open_samples(found.candidate)
    files = [output] if output else files_in(base[0], "shift")
    draw_comparison(compare_builds(first, second, found.terms, force=force or found.force), files)
    return files


def _trend(folders: tuple[Path, ...], output: Path | None, *, force: bool) -> list[Path]:
    from .build_pictures import draw_trend  # noqa: PLC0415  # numpy and matplotlib, only now
    from .nights import nights  # noqa: PLC0415
    from .pictures import files_in  # noqa: PLC0415
    from .trend import MARGIN, NAME  # noqa: PLC0415

    result, notes = nights(folders, (), MARGIN, force=force)
    files = [output] if output else files_in(folders[0], NAME)
    draw_trend(result, files)
    for note in notes:
        click.echo(note, err=True)
    return files
