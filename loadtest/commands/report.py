"""`loadtest report`: a run, or an experiment with two builds, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for the page [default: report.html in the folder].")  # fmt: skip
def report(run: Path, output: Path | None) -> None:
    """Write a RUN folder, or the folder of an `ab`, as one self-contained HTML page."""
    from loadtest.experiment.ab import STATE  # noqa: PLC0415  # numpy and matplotlib, only now

    from .page import PAGE, write_page  # noqa: PLC0415

    if (run / STATE).is_file():
        from .comparison_page import concluded, write_comparison_page  # noqa: PLC0415

        file = output or run / PAGE
        write_comparison_page(concluded(run), file, "--output")
        click.echo(file)
        return

    from .opened import open_run  # noqa: PLC0415
    from .pictures import draw_run  # noqa: PLC0415

    opened = open_run(run)
    opened.refuse_if_empty()
    with TemporaryDirectory() as scratch:  # a page elsewhere leaves the run folder, which may be read-only, as it is
        pictures = opened.folder if output is None else Path(scratch)
        draw_run(opened, pictures)
        click.echo(write_page(opened, output, pictures))
