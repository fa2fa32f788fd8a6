"""What continuous integration takes from a verdict: a JUnit file and the summary of the job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from loadtest.analysis.slo.values import Decision
from loadtest.analysis.values import Summary
from loadtest.errors import NothingMeasured, UsageError

JOB_SUMMARY_ENV: Final = "GITHUB_STEP_SUMMARY"
"""Names the file that GitHub Actions shows on the page of a job."""
MISSED: Final = 1


def exit_code(summary: Summary) -> int:
    """What a run ends with by its verdict and its objectives: 3 wins over 2, 2 over 1.

    An objective of which the run measured nothing was asked in vain, which is an error of usage: a gate that cannot
    judge must not look open.
    """
    if summary.verdict.status == "invalid":
        return NothingMeasured.exit_code
    return objectives_code(summary)


def objectives_code(summary: Summary) -> int:
    """The same by its objectives alone."""
    objectives = summary.objectives
    if objectives is None:
        return 0
    if any(result.unmeasured for result in objectives.results):
        return UsageError.exit_code
    return MISSED if objectives.verdict is Decision.FAIL else 0


def unmeasured(summary: Summary) -> str:
    """The objectives of which the run measured nothing, in one line; empty for none."""
    results = summary.objectives.results if summary.objectives is not None else ()
    names = [result.name for result in results if result.unmeasured]
    if not names:
        return ""
    it = "it" if len(names) == 1 else "them"
    remedy = f"take {it} out, or make a run that does"
    return f"--slo: {', '.join(names)}: {summary.run.folder} measured nothing of {it}; {remedy}"


def write_junit(file: Path, text: str) -> None:
    """Write the JUnit XML.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--junit: cannot write {file}: {error.strerror}; name a file that can be written") from None


def add_to_job_summary(markdown: str) -> None:
    """Append to the summary of a GitHub job, where one is going on."""
    file = os.environ.get(JOB_SUMMARY_ENV)
    if not file:
        return
    try:
        with open(file, "a", encoding="utf-8") as page:
            page.write(markdown + "\n")
    except OSError as error:  # the verdict stands, whoever may see it
        click.echo(f"loadtest: warning: {JOB_SUMMARY_ENV}: cannot write {file}: {error.strerror}", err=True)
