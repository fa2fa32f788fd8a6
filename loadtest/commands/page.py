"""The page of a run, from its records, its pictures and the run before it to a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtest.analysis.herd import recovery_return
from loadtest.analysis.previous import differences, previous_run
from loadtest.analysis.slowest import slowest
from loadtest.analysis.values import Summary
from loadtest.commands.opened import OpenedRun
from loadtest.errors import UsageError
from loadtest.metrics import HEADLINE
from loadtest.report.html import Picture
from loadtest.report.page import recovery_values, run_page, timeline_values
from loadtest.runs.folder import SUMMARY, earlier
from loadtest.runs.reader import RunReader

PAGE: Final = "report.html"


def write_page(run: OpenedRun, output: Path | None = None, pictures: Path | None = None) -> Path:
    """Write the page.

    Args:
        output: file; None for the run folder's own.
        pictures: the folder in which its pictures lie; None for the run folder.

    Raises:
        UsageError: the file cannot be written.
    """
    previous = next((found for folder in earlier(run.folder) if (found := _previous(folder, run.summary))), None)
    with RunReader(run.folder) as reader:
        slow = {key: slowest(run.measured, reader, key) for key in HEADLINE}
    page = run_page(
        run.summary,
        slow,
        previous,
        differences(previous, run.summary) if previous else (),
        list(_pictures(run, pictures or run.folder)),
    )
    file = output or run.folder / PAGE
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; name a place to write to with --output") from None
    return file


def _previous(folder: Path, summary: Summary) -> Summary | None:
    """The run in a folder, where it was of this setup."""
    try:
        return previous_run((folder / SUMMARY).read_bytes(), summary)
    except OSError:
        return None


def _pictures(run: OpenedRun, folder: Path) -> Iterator[Picture]:
    if (markup := _markup(folder / "percentiles.svg")) is not None:
        text = "Latency of each headline metric against the percentile; the values are in the table above."
        yield Picture("Latency by percentile", markup, text)
    if (markup := _markup(folder / "timeline.svg")) is not None:
        text = "Percentiles of each headline metric by interval; users, messages a second and errors beneath."
        values = timeline_values(run.timeline)
        yield Picture("The run over time", markup, text, values)
    if (markup := _markup(folder / "recovery.svg")) is not None:
        text = "Share of the lost connections that were back, by time since their loss; attempts to connect beneath."
        yield Picture("Recovery", markup, text, recovery_values(recovery_return(run.measured.records)))


def _markup(file: Path) -> str | None:
    """A picture as part of a page: without an XML declaration, and with ids of its own."""
    try:
        markup = file.read_text(encoding="utf-8")
    except OSError:
        return None
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{file.stem}-", markup[markup.index("<svg") :])
