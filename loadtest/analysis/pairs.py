"""Which runs of two builds belong together, and which must not be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from msgspec import Struct

from loadtest.analysis.sample import PAIR, Sample, unlike

_TOLD: Final = 3
"""Differences named at most: whoever mends these finds the others."""


class Matched(Struct, frozen=True):
    """Two groups of runs.

    Attributes:
        base, candidate: as many of each where `paired`, those of a pair at the same place.
        paired: whether they are pairs.
        alone: folders of runs whose partner is missing, left out.
    """

    base: list[Sample]
    candidate: list[Sample]
    paired: bool
    alone: list[str] = []


def match(base: Sequence[Sample], candidate: Sequence[Sample]) -> Matched:
    """Pair runs by their label `pair`; they stay two groups where a run lacks it, or a side has it twice.

    Raises:
        ValueError: all have the label, and no pair is complete.
    """
    first, second = _by_label(base), _by_label(candidate)
    if first is None or second is None:
        return Matched(list(base), list(candidate), paired=False)
    both = [name for name in first if name in second]
    if not both:
        raise ValueError(
            f"no pair is complete: the base has --label {PAIR}={', '.join(first)}, the candidate {', '.join(second)}"
        )
    alone = [run.folder for side in (first, second) for name, run in side.items() if name not in both]
    return Matched([first[name] for name in both], [second[name] for name in both], paired=True, alone=alone)


def unsound(runs: Iterable[Sample]) -> list[str]:
    """The invalid runs, each with its reason."""
    return [f"{run.folder} is invalid: {run.reasons[0]}" for run in runs if run.status == "invalid"]


def differences(matched: Matched, *, machine: bool = True) -> list[str]:
    """In what the runs differ that ought to differ in the build alone; the gravest few, in words.

    Args:
        machine: whether they have to be of one machine.
    """
    reference, *others = (*matched.base, *matched.candidate)
    found = dict.fromkeys(chain.from_iterable(unlike(reference, run, machine=machine) for run in others))
    return _cut([*found, *_seeds(matched)])


def _seeds(matched: Matched) -> list[str]:
    if matched.paired:
        together = zip(matched.base, matched.candidate, strict=True)
        apart = [f"--seed {a.seed} and {b.seed} in pair {a.labels[PAIR]}" for a, b in together if a.seed != b.seed]
        return apart[:1]
    first, second = ({run.seed for run in side} for side in (matched.base, matched.candidate))
    return [] if first == second else [f"--seed {_listed(first)} and {_listed(second)}"]


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def _cut(found: list[str]) -> list[str]:
    return found if len(found) <= _TOLD else [*found[:_TOLD], f"{len(found) - _TOLD} more"]


def _by_label(runs: Sequence[Sample]) -> dict[str, Sample] | None:
    labelled = {run.labels[PAIR]: run for run in runs if PAIR in run.labels}
    return labelled if len(labelled) == len(runs) else None
