"""The runs of a results folder, from paths to a trend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from loadtest.analysis.sample import Sample, sample
from loadtest.analysis.trend import WATCHED, Trend, trend
from loadtest.analysis.values import SCHEMA, Summary
from loadtest.commands.builds import run_folders
from loadtest.commands.opened import open_run
from loadtest.errors import RunFolderError, UsageError
from loadtest.report.trend_table import as_csv
from loadtest.runs.folder import SUMMARY


class _Head(msgspec.Struct):
    schema: int


def nights(paths: Sequence[Path], keys: Sequence[str], margin: float, *, force: bool) -> tuple[Trend, list[str]]:
    """The trend of all runs in some folders, and what was wrong with those that cannot be read.

    Raises:
        UsageError: nothing is left.
    """
    samples: list[tuple[Path, Sample]] = []
    notes: list[str] = []
    folders, without = _folders(paths)
    notes += without
    for folder in folders:
        try:
            found = _sample(folder)
        except RunFolderError as error:  # one damaged night must not hide the others
            notes.append(f"left out: {error}")
            continue
        if found.quantities:
            samples.append((folder, found))
        else:
            notes.append(f"left out: {folder}: holds no sample")
    if notes and not samples:
        others = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
        raise UsageError(f"FOLDER: no run can be used: {notes[0].removeprefix('left out: ')}{others}")
    try:
        return trend(_told_apart(samples), keys or WATCHED, margin, force=force), notes
    except ValueError as error:
        raise UsageError("; ".join((f"FOLDER: {error}", *notes[:1]))) from None


def _folders(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The runs in some folders, and which of several hold none, as those of experiments among the nights."""
    if len(paths) == 1:
        return run_folders(paths, "FOLDER"), []
    found: list[Path] = []
    notes: list[str] = []
    for path in paths:
        try:
            found += run_folders([path], "FOLDER")
        except UsageError as error:
            notes.append(f"left out: {error}")
    if not found:
        raise UsageError(notes[0].removeprefix("left out: "))
    return list({folder.resolve(): folder for folder in found}.values()), notes


def _told_apart(samples: Sequence[tuple[Path, Sample]]) -> list[Sample]:
    """By their paths where folders of several places have one name: two sites may begin in the same second."""
    names = Counter(run.folder for _, run in samples)
    return [replace(run, folder=str(path)) if names[run.folder] > 1 else run for path, run in samples]


def write_csv(result: Trend, path: Path) -> None:
    """Write the rows.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(as_csv(result), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--csv: cannot write {path}: {error.strerror}; name a place to write to") from None


def _sample(folder: Path) -> Sample:
    """A run by its `summary.json`; by its records where it has none, or an older one."""
    try:
        content = (folder / SUMMARY).read_bytes()
        version = msgspec.json.decode(content, type=_Head).schema
        summary = msgspec.json.decode(content, type=Summary)
    except (OSError, msgspec.MsgspecError):
        return sample(open_run(folder).summary)
    if version > SCHEMA:
        raise RunFolderError(f"{folder}: written by a newer loadtest (schema {version}); upgrade to read it")
    return sample(summary)
