"""Two builds as one HTML page that works offline and prints well: the verdict first, then every pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from loadtest.analysis.compare import Change, Comparison, Kind, Word
from loadtest.analysis.sample import QUANTITIES
from loadtest.analysis.shift import Shift
from loadtest.analysis.values import Verdict
from loadtest.metrics import BY_KEY
from loadtest.objectives.names import RATIOS
from loadtest.report.comparison_table import (
    COLUMNS,
    cells,
    headline,
    legend,
    percent_change,
    runs_line,
    shown,
    size_of,
)
from loadtest.report.html import Answer, Picture, Table, rendered
from loadtest.report.units import DASH, amount

STATES: Final = {
    Word.REGRESSED: "bad",
    Word.IMPROVED: "good",
    Word.EQUIVALENT: "good",
    Word.INCONCLUSIVE: "warn",
}
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Of which the shift stands in the table behind the picture."""


def comparison_page(
    result: Comparison, verdicts: Mapping[str, Verdict], hosts: Sequence[str], pictures: Sequence[Picture]
) -> str:
    """The page of a comparison.

    Args:
        verdicts: of each run, by side and folder as in `base/20261124T020000Z-chat`.
        hosts: addresses of base and candidate.
    """
    gated = result.gated.values()
    others = [change for change in result.metrics.values() if not change.gated]
    return rendered(
        "comparison.html",
        pictures,
        title=f"{shown(result.verdict)}: {headline(result)}",
        name="One build against itself" if result.same else "Candidate against base",
        verdict=shown(result.verdict),
        state="none" if result.kind is Kind.DESCRIPTIVE else STATES[result.verdict],
        headline=headline(result),
        runs_line=runs_line(result),
        answers=list(_answers(result, verdicts)),
        gated=_table(gated),
        others=_table(others),
        pairs=[(change.label, _pairs(change, result)) for change in gated if change.pair_ratios],
        legend=legend(result),
        sides=[
            (side, host, _runs(folders, side, verdicts))
            for side, host, folders in zip(("base", "candidate"), hosts, (result.base, result.candidate), strict=True)
        ],
        definitions=list(_definitions(result)),
    )


def shift_values(shifts: Iterable[Shift]) -> Table:
    """The numbers behind the curves: the change of some quantiles and its pointwise 95 % interval."""
    rows = []
    for one in shifts:
        for quantile in _QUANTILES:
            found = np.flatnonzero(np.abs(one.quantiles - quantile) < 0.006)
            if len(found):
                place = found[0]
                ends = [percent_change(float(end[place])) for end in (one.low, one.high) if np.isfinite(end[place])]
                name = f"{BY_KEY[one.metric].label} p{100 * one.quantiles[place]:.0f}"
                rows.append((name, percent_change(float(one.ratio[place])), " to ".join(ends) or DASH))
    return Table(("quantile", "change", "95 %"), rows)


def _answers(result: Comparison, verdicts: Mapping[str, Verdict]) -> Iterable[Answer]:
    asked, words = ("Do its runs agree?", _AGREE) if result.same else ("Is the candidate worse?", _WORSE)
    yield Answer(asked, words[result.verdict], headline(result), STATES[result.verdict])
    largest = max(result.metrics.values(), key=lambda change: change.size)
    yield Answer(
        "What changed most?",
        f"{largest.label} {percent_change(largest.ratio)}",
        f"{largest.verdict}; {'it decides' if largest.gated else 'it does not decide'}",
        "none",
    )
    yield _size(result)
    yield _sound(verdicts)


_WORSE: Final = {
    Word.REGRESSED: "yes",
    Word.IMPROVED: "no, it is better",
    Word.EQUIVALENT: "no, not by more than the margin",
    Word.INCONCLUSIVE: "cannot be said",
}
_AGREE: Final = _WORSE | {Word.EQUIVALENT: "yes, within the margin"}


def _size(result: Comparison) -> Answer:
    """What an experiment like this one would have found, where that is known."""
    question = "How small a change would be seen?"
    seen = [(change.sees, change.label) for change in result.gated.values() if change.sees is not None]
    if not seen:
        return Answer(question, "not known", "that takes several runs of each build", "none")
    text = ", ".join(f"{label} {size_of(sees)}" for sees, label in sorted(seen, reverse=True))
    return Answer(question, f"{size_of(max(seen)[0])} in every gate", f"with a power of 80 %: {text}", "none")


def _sound(verdicts: Mapping[str, Verdict]) -> Answer:
    question = "Were the generators sound?"
    for status, state in (("invalid", "bad"), ("suspect", "warn")):
        found = [(run, verdict) for run, verdict in verdicts.items() if verdict.status == status]
        if found:
            run, verdict = found[0]
            reason = f"{run}: {verdict.reasons[0]}" if verdict.reasons else run
            return Answer(question, f"{len(found)} of {len(verdicts)} runs are {status}", reason, state)
    return Answer(question, "yes", f"all {len(verdicts)} runs are valid", "good")


def _table(changes: Iterable[Change]) -> Table:
    changes = list(changes)
    return Table(
        ("metric", *COLUMNS[1:]),
        [(*cells(change), shown(change.verdict)) for change in changes],
        [STATES[change.verdict] if change.verdict is not Word.INCONCLUSIVE else "" for change in changes],
    )


def _pairs(change: Change, result: Comparison) -> Table:
    rows = [
        (str(place), amount(base, change.unit), amount(candidate, change.unit), percent_change(ratio), *folders)
        for place, (base, candidate, ratio, folders) in enumerate(
            zip(
                change.base,
                change.candidate,
                change.pair_ratios,
                zip(result.base, result.candidate, strict=True),
                strict=True,
            ),
            1,
        )
    ]
    return Table(("pair", "base", "candidate", "change", "run of the base", "run of the candidate"), rows)


def _runs(folders: Iterable[str], side: str, verdicts: Mapping[str, Verdict]) -> Table:
    states = {"valid": "", "suspect": "warn"}
    found = [(folder, verdicts[f"{side}/{folder}"]) for folder in folders]
    return Table(
        ("run", "verdict", ""),
        [(folder, verdict.status, "; ".join(verdict.reasons[:1])) for folder, verdict in found],
        [states.get(verdict.status, "bad") for _, verdict in found],
    )


def _definitions(result: Comparison) -> Iterable[tuple[str, str]]:
    metrics = dict.fromkeys(QUANTITIES[key].metric for key in result.metrics)
    for key in metrics:
        if key in BY_KEY:
            yield BY_KEY[key].label, f"{BY_KEY[key].definition}; {BY_KEY[key].unit}"
        else:
            yield key.replace("_", " "), RATIOS[key]
