"""`loadtest finish`: what the end of a run leaves beside `run.db`. Called by the run itself; safe to call again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadtest.errors import RunFolderError, UsageError

JUNIT = "junit.xml"


@click.command("finish")
@click.argument("run", type=click.Path(path_type=Path))
def finish(run: Path) -> int:
    """Write summary.json and the plots of a RUN folder, and print its numbers.

    Exits with 3 for an invalid run, and with 1 where the run missed an objective that it was started with.
    """
    from loadtest.report.junit import junit  # noqa: PLC0415  # numpy and rich, only now
    from loadtest.report.render import as_json, as_markdown, as_text  # noqa: PLC0415
    from loadtest.runs.folder import SUMMARY  # noqa: PLC0415

    from .ci import add_to_job_summary, exit_code, unmeasured  # noqa: PLC0415
    from .llm_log import take_in  # noqa: PLC0415
    from .opened import open_run  # noqa: PLC0415

    take_in(run)
    opened = open_run(run)
    try:
        (opened.folder / SUMMARY).write_text(as_json(opened.summary) + "\n", encoding="utf-8")
        if opened.summary.objectives is not None:
            (opened.folder / JUNIT).write_text(junit(opened.summary, opened.summary.objectives), encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write {run / SUMMARY}: {error.strerror}") from None
    add_to_job_summary(as_markdown(opened.summary))
    opened.refuse_if_empty()

    from .page import PAGE, write_page  # noqa: PLC0415
    from .pictures import draw_run  # noqa: PLC0415  # matplotlib, only now

    draw_run(opened, opened.folder)
    write_page(opened)
    files = [PAGE, "percentiles.png", "timeline.png", SUMMARY]
    files += ["recovery.png"] if opened.summary.counts["outages"] else []
    files += [JUNIT] if opened.summary.objectives is not None else []
    click.echo(as_text(opened.summary, files=f"{run}: {', '.join(files)}", color=sys.stdout.isatty()), nl=False)
    code = exit_code(opened.summary)
    if code == UsageError.exit_code:
        raise UsageError(unmeasured(opened.summary))
    return code
