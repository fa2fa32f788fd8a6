"""`loadtest gate`: one exit code for a run and what is asked of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadtest.errors import NothingMeasured, UsageError
from loadtest.objectives import checked, demanded
from loadtest.settings import one_of

from .options import Parsed, ParsedWords
from .summarize import Format


@click.command("gate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--slo", type=ParsedWords(checked, "OBJECTIVE"), multiple=True, envvar="LOADTEST_SLO",
              help="Objective, as in 'ack_delivered.p99 < 250ms', or a TOML file of them; may be repeated "
                   "[default: those that the run was started with].")  # fmt: skip
@click.option("--force", is_flag=True, help="Judge an invalid run all the same.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write JUnit XML too.")  # fmt: skip
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json or markdown.")  # fmt: skip
def gate(run: Path, slo: tuple[str, ...], force: bool, junit: Path | None, kind: Format) -> int:
    """Hold a RUN folder, such as results/latest, to objectives; exits with 1 where one is missed.

    Inconclusive, for want of messages, is no miss: it exits with 0 and says how many would settle it. Where
    $GITHUB_STEP_SUMMARY names a file, the verdict is added to it.
    """
    from loadtest.report import gate as report  # noqa: PLC0415  # numpy and rich, only now
    from loadtest.report.junit import junit as as_junit  # noqa: PLC0415

    from .ci import add_to_job_summary, objectives_code, unmeasured, write_junit  # noqa: PLC0415
    from .opened import open_run  # noqa: PLC0415

    try:
        objectives = demanded(slo).objectives
    except ValueError as error:
        raise UsageError(f"--slo: {error}") from None
    opened = open_run(run, objectives)
    summary = opened.summary
    refused = summary.verdict.status == "invalid" and not force
    invalid = f"{run}: the run is invalid: {''.join(summary.verdict.reasons[:1])}; --force judges it all the same"
    if summary.objectives is None:
        opened.refuse_if_empty()
        if refused:
            raise NothingMeasured(invalid)
        raise UsageError(
            "--slo: missing, and the run was started without; give an objective, as in 'ack_delivered.p99 < 250ms'"
        )
    if (told := unmeasured(summary)) and not refused and not summary.empty:
        raise UsageError(told)
    if junit is not None:
        write_junit(junit, as_junit(summary, summary.objectives))
    markdown = report.markdown(summary, summary.objectives)
    add_to_job_summary(markdown)
    opened.refuse_if_empty()  # only now: CI wants its files of an empty run, too
    if refused:
        raise NothingMeasured(invalid)
    if kind is Format.JSON:
        click.echo(report.as_json(summary, summary.objectives))
    elif kind is Format.MARKDOWN:
        click.echo(markdown, nl=False)
    else:
        click.echo(report.text(summary, summary.objectives, color=sys.stdout.isatty()), nl=False)
    return objectives_code(summary)
