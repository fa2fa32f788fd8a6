"""Run folders of two builds, from paths to a comparison and its picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from loadtest.analysis.compare import Comparison, Terms, compare
from loadtest.analysis.distribution import Distribution
from loadtest.analysis.pairs import Matched, differences, match, unsound
from loadtest.analysis.sample import Sample, mean_answer, sample
from loadtest.analysis.shift import Shift, shift
from loadtest.analysis.values import Verdict
from loadtest.commands.opened import open_run
from loadtest.errors import NothingMeasured, UsageError
from loadtest.experiment.ab import STATE, Side, State, restore, runs, shortfall
from loadtest.metrics import HEADLINE
from loadtest.runs.folder import DATABASE, LATEST

PANELS: Final = 3
"""Metrics of which every quantile is drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSample:
    """A run as a sample, with the distributions that are drawn; `folder` is resolved."""

    folder: Path
    sample: Sample
    verdict: Verdict
    host: str
    distributions: dict[str, Distribution]


@dataclass(frozen=True, slots=True, eq=False)
class Builds:
    """Two builds, compared."""

    result: Comparison
    base: list[OpenedSample]
    candidate: list[OpenedSample]


def run_folders(paths: Iterable[Path], what: str) -> list[Path]:
    """The run folders that paths stand for: a path may be one, or a folder that holds some.

    Args:
        what: names the option in errors.

    Raises:
        UsageError: there is nothing, or no run in it.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        try:
            folders = _runs_at(path, what)
        except OSError as error:
            reason = f"cannot be read: {error.strerror}; name one that you may read"
            raise UsageError(f"{what}: {path}: {reason}") from None
        for folder in folders:
            found.setdefault(folder.resolve(), folder)
    if not found:
        raise UsageError(f"{what}: no run folder is given; name one or more that runs left")
    return list(found.values())


def _runs_at(path: Path, what: str) -> list[Path]:
    if path.name == DATABASE or (path / DATABASE).is_file():
        return [path]
    if (path / STATE).is_file():
        raise UsageError(f"{what}: {path} is an experiment with two builds; name one, as in {path / Side.BASE}")
    if not path.is_dir():
        raise UsageError(f"{what}: {path}: no such run folder; give one that a run left, as in results/latest")
    inside = sorted(each.parent for each in path.glob(f"*/{DATABASE}") if each.parent.name != LATEST)
    if not inside:
        raise UsageError(f"{what}: {path} holds no run; give a run folder, or a folder of some")
    return inside


@dataclass(frozen=True, slots=True)
class Sides:
    """Run folders of two builds.

    Attributes:
        terms: as their experiment was asked for, if they are of one.
        force: whether that takes invalid runs.
        notes: on what it lacks.
    """

    base: list[Path]
    candidate: list[Path]
    terms: Terms = field(default_factory=Terms)
    force: bool = False
    notes: list[str] = field(default_factory=list)


def sides(base: Sequence[Path], candidate: Sequence[Path]) -> Sides:
    """The runs that are to be compared; the folder of an `ab`, alone, stands for both sides.

    Raises:
        UsageError: a side has no run.
    """
    if candidate:
        return Sides(run_folders(base, "BASE"), run_folders(candidate, "--against"))
    if len(base) == 1 and (base[0] / STATE).is_file():
        return sides_of(base[0], restore(base[0]))
    raise UsageError("--against: missing; name the runs of the candidate, as in compare BASE --against CANDIDATE")


def sides_of(folder: Path, state: State) -> Sides:
    """The runs of an experiment that count.

    Raises:
        NothingMeasured: there is none.
    """
    found = runs(folder, state)
    if not found[Side.BASE]:
        raise NothingMeasured(
            f"{folder}: no pair of valid runs is in it; its generator was not sound, or it was broken off"
        )
    terms = replace(state.terms, same=state.plan.same)
    return Sides(found[Side.BASE], found[Side.CANDIDATE], terms, state.force, shortfall(folder, state))


def open_samples(folders: Iterable[Path]) -> list[OpenedSample]:
    """Read runs, one after the other: their messages are not kept.

    Raises:
        RunFolderError: one cannot be read.
        NothingMeasured: one holds no sample.
    """
    found = []
    for folder in folders:
        run = open_run(folder)
        run.refuse_if_empty()
        kept = {key: run.measured.distribution(key) for key in HEADLINE}
        found.append(
            OpenedSample(
                run.folder,
                sample(run.summary, mean_answer(run.measured)),
                run.summary.verdict,
                run.summary.run.host,
                kept,
            )
        )
    return found


def is_live(samples: Iterable[OpenedSample]) -> bool:
    """Whether a live model gave the answers, by the label provider=live."""
    return any(run.sample.labels.get("provider") == "live" for run in samples)


def compare_builds(
    base: Sequence[OpenedSample],
    candidate: Sequence[OpenedSample],
    terms: Terms,
    notes: Sequence[str] = (),
    *,
    force: bool,
    machine: bool = True,
) -> Builds:
    """Compare the runs of two builds.

    Args:
        notes: what a reader has to know beside what the runs themselves tell.
        force: whether unlike and invalid runs are compared all the same.
        machine: whether the runs have to be of one machine.

    Raises:
        NothingMeasured: a run is invalid.
        UsageError: runs are unlike, or have nothing in common.
    """
    both = {run.folder for run in base} & {run.folder for run in candidate}
    if both:
        raise UsageError(f"--against: {', '.join(sorted(map(str, both)))} is on both sides; compare other runs")
    try:
        matched = match([run.sample for run in base], [run.sample for run in candidate])
        found = _refused(matched, force=force, machine=machine)
        live = terms.live_provider or is_live((*base, *candidate))
        result = compare(matched, replace(terms, live_provider=live), found)
    except ValueError as error:
        raise UsageError(str(error)) from None
    result = replace(result, notes=[*notes, *result.notes])
    opened = {id(run.sample): run for run in (*base, *candidate)}
    return Builds(result, *([opened[id(run)] for run in side] for side in (matched.base, matched.candidate)))


def shifts(builds: Builds) -> list[Shift]:
    """How far each quantile moved, of the headline metrics that all runs have."""
    runs = (*builds.base, *builds.candidate)
    keys = [key for key in HEADLINE if all(run.distributions[key].count for run in runs)][:PANELS]
    are_pairs = any(change.pairs for change in builds.result.metrics.values())
    return [
        shift(
            key,
            [run.distributions[key] for run in builds.base],
            [run.distributions[key] for run in builds.candidate],
            are_pairs=are_pairs,
        )
        for key in keys
    ]


def _refused(matched: Matched, *, force: bool, machine: bool) -> list[str]:
    runs = (*matched.base, *matched.candidate)
    unlike, invalid = differences(matched, machine=machine), unsound(runs)
    if force:
        others = f", and {len(invalid) - 1} more are" if len(invalid) > 1 else ""
        return [*unlike, *(f"{reason}{others}" for reason in invalid[:1])]
    if invalid:
        raise NothingMeasured(f"{invalid[0]}; leave it out, or give --force to compare it all the same")
    if unlike:
        elsewhere = machine and not differences(matched, machine=False)
        raise UsageError(
            f"--against: the runs differ in more than the build: {'; '.join(unlike)}; compare like with like, or give "
            f"{'--across-machines' if elsewhere else '--force'}"
        )
    return []
