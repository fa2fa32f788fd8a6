"""`loadtest report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for the page [default: report.html in the run folder].")  # fmt: skip
def report(run: Path, output: Path | None) -> None:
    """Write a RUN folder as one self-contained HTML page."""
    from .opened import open_run  # noqa: PLC0415  # numpy and matplotlib, only now
    from .page import write_page  # noqa: PLC0415
    from .pictures import draw_run  # noqa: PLC0415

    opened = open_run(run)
    opened.refuse_if_empty()
    draw_run(opened)
    click.echo(write_page(opened, output))
