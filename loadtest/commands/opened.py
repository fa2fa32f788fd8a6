"""A run as the commands see it: read, measured and summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loadtest.analysis.measured import Measured
from loadtest.analysis.records import load
from loadtest.analysis.summary import summarize
from loadtest.analysis.timeline import Timeline, timeline
from loadtest.analysis.values import Summary
from loadtest.errors import NothingMeasured, RunFolderError
from loadtest.metrics import HEADLINE
from loadtest.objectives import Objective, objective
from loadtest.runs.reader import RunReader


@dataclass(frozen=True, eq=False)
class OpenedRun:
    """One run.

    Attributes:
        path: as the person gave it.
        folder: the run folder, resolved.
    """

    path: Path
    folder: Path
    measured: Measured
    summary: Summary

    @cached_property
    def timeline(self) -> Timeline:
        """Of what is shown first; its picture and the table beside it ask for it."""
        return timeline(self.measured, HEADLINE)

    def refuse_if_empty(self) -> None:
        """Conclude nothing from nothing.

        Raises:
            NothingMeasured: with the reason.
        """
        if self.summary.empty:
            raise NothingMeasured(f"{self.path}: {self.summary.verdict.reasons[0]}")


def open_run(path: Path, demanded: Sequence[Objective] = ()) -> OpenedRun:
    """Read a run folder.

    Args:
        demanded: what the run is held to; without any, what was asked of it when it was made.

    Raises:
        RunFolderError: it is none.
    """
    with RunReader(path) as run:
        measured = Measured(load(run))
        return OpenedRun(path, run.folder, measured, summarize(measured, demanded or _kept(run)))


def _kept(run: RunReader) -> tuple[Objective, ...]:
    try:
        return tuple(objective(text) for text in run.info.objectives)
    except ValueError as error:
        raise RunFolderError(f"{run.folder}: was asked what this loadtest does not know: {error}") from None
