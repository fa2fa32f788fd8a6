"""`loadtest finish`: what the end of a run leaves beside `run.db`. Called by the run itself; safe to call again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadtest.errors import NothingMeasured, RunFolderError


@click.command("finish")
@click.argument("run", type=click.Path(path_type=Path))
def finish(run: Path) -> int:
    """Write summary.json and the plots of a RUN folder, and print its numbers; exits with 3 for an invalid run."""
    from loadtest.report.render import as_json, as_text  # noqa: PLC0415  # numpy and rich, only now
    from loadtest.runs.folder import SUMMARY  # noqa: PLC0415

    from .opened import open_run  # noqa: PLC0415

    opened = open_run(run)
    try:
        (opened.folder / SUMMARY).write_text(as_json(opened.summary) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write {run / SUMMARY}: {error.strerror}") from None
    opened.refuse_if_empty()

    from .page import PAGE, write_page  # noqa: PLC0415
    from .pictures import draw_run  # noqa: PLC0415  # matplotlib, only now

    draw_run(opened)
    write_page(opened)
    files = f"{run}: {PAGE}, percentiles.png, timeline.png, {SUMMARY}"
    click.echo(as_text(opened.summary, files=files, color=sys.stdout.isatty()), nl=False)
    return NothingMeasured.exit_code if opened.summary.verdict.status == "invalid" else 0
