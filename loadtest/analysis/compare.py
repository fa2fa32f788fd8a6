"""Two builds, from several runs of each: what changed, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import fmean, geometric_mean
from typing import Final

import numpy as np
from msgspec import Struct

from loadtest.analysis.effect import Effect, at_least, holm, paired, pooled_shares, unpaired
from loadtest.analysis.pairs import Matched
from loadtest.analysis.percentiles import TAIL
from loadtest.analysis.power import Test, pairs_needed, smallest_seen
from loadtest.analysis.sample import LEAST, QUANTITIES, RATIOS, Sample
from loadtest.metrics import Better

SCHEMA: Final = 1
ALPHA: Final = 0.05
GATES: Final = ("ack_delivered.p95", "ttft.p95", "stream_completion.p95", "delivered_ratio")
"""What decides unless something else is declared."""
RATE: Final = "stream_rate.p50"
"""Stands in for completion times where answers are of unequal length."""
OF_LENGTH: Final = "stream_completion"
PROVIDER_BOUND: Final = frozenset(
    {"ttft", "stream_completion", "stream_rate", "inter_chunk", "longest_stall", "stream_complete_ratio"}
)
"""Metrics in which a live model provider outweighs the backend."""
RATIO_MARGIN: Final = 0.005
"""Of ratios: half a percent of all messages is a loss, whatever margin latencies have."""
LENGTH_TOLERANCE: Final = 0.02
"""Mean lengths of answers that differ by more make completion times incomparable."""


class Word(StrEnum):
    """The verdict on one metric, and on all."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    EQUIVALENT = "equivalent"
    """The whole interval lies within the margin."""
    INCONCLUSIVE = "inconclusive"
    """Neither shown. It does not mean that nothing changed."""


class Kind(StrEnum):
    """How the runs were compared."""

    PAIRED = "paired"
    UNPAIRED = "unpaired"
    DESCRIPTIVE = "descriptive"
    """One run against one: no inference."""


class Terms(Struct, frozen=True):
    """What is asked.

    Attributes:
        margin: relative change that is small enough to be none, such as 0.05.
        detect: relative change that an experiment ought to find, for what it would take; above the margin.
        gates: keys of the quantities that decide; None for `GATES`, as far as the runs have them.
        live_provider: whether a live model gives the answers.
        same: whether both sides are one build (A/A): then nothing can have regressed.
    """

    margin: float = 0.05
    detect: float = 0.10
    gates: tuple[str, ...] | None = None
    live_provider: bool = False
    same: bool = False


class Change(Struct, frozen=True):
    """One quantity of both sides.

    Attributes:
        ratio: candidate to base.
        ci95: its 95 % t interval, of shares no narrower than the number of their messages allows; null without two
            runs a side. Its upper end is null where it has none, as that of a share of nothing.
        pairs: number of pairs; 0 where runs are not pairs.
        runs: of base and candidate.
        pair_ratios: of each pair, in their order.
        base, candidate: values of the runs, in their order, in `unit`.
        gated: whether it decides.
        provider_bound: whether a live model provider outweighs the backend in it.
        margin: relative.
        p, p_exact: two-sided, of the t test and of the exact one (sign-flip, Mann-Whitney), for this quantity alone.
        p_holm: of the t test, adjusted for the number of gated quantities, or of the others.
        new_pairs: pairs (runs a side) of a new experiment that finds a change of `Comparison.detect` in 80 % of cases;
            null where that is not known, or would be above 1,000.
        sees: the smallest relative change that an experiment like this one finds in 80 % of cases.
        sd: standard deviation of the log ratio of a pair, or, pooled, of the log of a run.
        silent: runs of base and candidate in which it lies among the unanswered, so that its value is at least that.
    """

    verdict: Word
    ratio: float
    ci95: tuple[float, float | None] | None
    pairs: int
    runs: tuple[int, int]
    pair_ratios: list[float]
    base: list[float]
    candidate: list[float]
    label: str
    unit: str
    better: str
    gated: bool
    provider_bound: bool
    margin: float
    p: float | None
    p_holm: float | None
    p_exact: float | None
    new_pairs: int | None
    sees: float | None
    sd: float | None
    silent: tuple[int, int]

    @property
    def size(self) -> float:
        """Of the change, whichever way."""
        return abs(math.log(self.ratio))

    @property
    def means(self) -> tuple[float, float]:
        """Geometric means of base and candidate, whose ratio is `ratio`; of shares, which may be 0, arithmetic ones."""
        first, second = (geometric_mean(side) if self.unit else fmean(side) for side in (self.base, self.candidate))
        return first, second


class Comparison(Struct, frozen=True):
    """Candidate against base.

    Attributes:
        verdict: of the gated quantities together.
        metrics: gated ones first, each kind by size of the change.
        margin, detect: relative; see `Terms`.
        same: whether both sides are one build.
        base, candidate: folders of the runs, in the order of the values of each metric.
        left_out: quantities that could not be compared, and why.
        notes: what a reader has to know, in words.
        unjudged: quantities that would decide, but of which the runs have too few samples.
    """

    schema: int
    verdict: Word
    kind: Kind
    metrics: dict[str, Change]
    margin: float
    detect: float
    same: bool
    base: list[str]
    candidate: list[str]
    left_out: dict[str, str]
    notes: list[str]
    unjudged: list[str] = []

    @property
    def gated(self) -> dict[str, Change]:
        """The quantities that decide."""
        return {key: change for key, change in self.metrics.items() if change.gated}


def compare(matched: Matched, terms: Terms, differences: Sequence[str] = ()) -> Comparison:
    """Compare two groups of runs.

    Args:
        differences: in what the runs are unlike, where they are compared all the same.

    Raises:
        ValueError: the runs share no quantity, or lack one that is declared as a gate.
    """
    runs = (*matched.base, *matched.candidate)
    unequal = _of_unequal_length(matched)
    left_out = _left_out(runs) | unequal
    keys = [key for key in QUANTITIES if key not in left_out and all(key in run.quantities for run in runs)]
    if not keys:
        raise ValueError("the runs have no metric in common that has enough samples; make them longer")
    usual = [RATE if key in unequal else key for key in GATES]
    gates = _gates(keys, left_out, usual, terms)
    unjudged = [] if terms.gates is not None else _unjudged(keys, left_out, usual, terms)
    kind = _kind(matched)
    effects = {key: _effect(key, matched, kind) for key in keys}
    families = [gates, [key for key in keys if key not in gates]]
    adjusted = {key: p for family in families for key, p in _holm(family, effects).items()}
    changes = {
        key: _change(key, matched, kind, effects[key], adjusted[key], key in gates, max(len(gates), 1), terms)
        for key in keys
    }
    ranked = sorted(changes, key=lambda key: (not changes[key].gated, -changes[key].size))
    return Comparison(
        SCHEMA,
        _together([*(changes[key].verdict for key in gates), *(Word.INCONCLUSIVE for _ in unjudged)]),
        kind,
        {key: changes[key] for key in ranked},
        terms.margin,
        terms.detect,
        terms.same,
        [run.folder for run in matched.base],
        [run.folder for run in matched.candidate],
        left_out,
        _notes(matched, kind, {key: changes[key] for key in gates}, terms, differences),
        unjudged,
    )


def _kind(matched: Matched) -> Kind:
    if len(matched.base) == len(matched.candidate) == 1:
        return Kind.DESCRIPTIVE
    return Kind.PAIRED if matched.paired else Kind.UNPAIRED


def _left_out(runs: Sequence[Sample]) -> dict[str, str]:
    """Quantities that some runs have and others lack."""
    having = {key: sum(key in run.quantities for run in runs) for key in QUANTITIES}
    return {
        key: f"{len(runs) - count} of {len(runs)} runs have too few samples of it"
        for key, count in having.items()
        if 0 < count < len(runs)
    }


def _of_unequal_length(matched: Matched) -> dict[str, str]:
    """Completion times, where the answers of one side are longer."""
    means = [_mean_chars(side) for side in (matched.base, matched.candidate)]
    if None in means or not means[0]:
        return {}
    longer = means[1] / means[0] - 1  # type: ignore[operator]
    if abs(longer) <= LENGTH_TOLERANCE:
        return {}
    word = "longer" if longer > 0 else "shorter"
    reason = f"the candidate's answers are {abs(longer):.0%} {word}; see the stream rate"
    return {key: reason for key, what in QUANTITIES.items() if what.metric == OF_LENGTH}


def _mean_chars(side: Sequence[Sample]) -> float | None:
    known = [run.chars for run in side if run.chars is not None]
    return sum(known) / len(known) if known else None


def _gates(keys: Sequence[str], left_out: Mapping[str, str], usual: Sequence[str], terms: Terms) -> list[str]:
    if terms.gates is not None:
        for key in terms.gates:
            if key not in keys:
                raise ValueError(f"--gate {key}: {left_out.get(key, 'the runs have too few samples of it')}")
    asked = usual if terms.gates is None else terms.gates
    return [key for key in dict.fromkeys(asked) if key in keys and not _provider_bound(key, terms)]


def _unjudged(keys: Sequence[str], left_out: Mapping[str, str], usual: Sequence[str], terms: Terms) -> list[str]:
    """Gates whose metric was measured, but too seldom: that nothing changed in them cannot be said."""
    measured = {QUANTITIES[key].metric for key in (*keys, *left_out)}
    return [
        key
        for key in usual
        if key not in keys and QUANTITIES[key].metric in measured and not _provider_bound(key, terms)
    ]


def _provider_bound(key: str, terms: Terms) -> bool:
    return terms.live_provider and QUANTITIES[key].metric in PROVIDER_BOUND


def _effect(key: str, matched: Matched, kind: Kind) -> Effect:
    base, candidate = _logs(key, matched.base), _logs(key, matched.candidate)
    found = unpaired(base, candidate) if kind is Kind.UNPAIRED else paired(np.subtract(candidate, base).tolist())
    # runs of few messages, none of them lost, are all alike: that they show no spread must not make one sure
    return at_least(found, *_by_messages(key, matched)) if key in RATIOS else found


def _logs(key: str, runs: Sequence[Sample]) -> list[float]:
    return [run.log(key) for run in runs]


def _by_messages(key: str, matched: Matched) -> tuple[float, float]:
    """The interval of a ratio, as far as its messages alone allow."""
    return pooled_shares(_pooled(key, matched.base), _pooled(key, matched.candidate))


def _pooled(key: str, runs: Sequence[Sample]) -> tuple[int, int]:
    return sum(round(run.quantities[key] * run.messages[key]) for run in runs), sum(run.messages[key] for run in runs)


def _holm(family: Sequence[str], effects: Mapping[str, Effect]) -> dict[str, float | None]:
    ps = {key: p for key in family if (p := effects[key].p) is not None}
    return dict.fromkeys(family, None) | dict(zip(ps, holm(list(ps.values())), strict=True))


def _change(
    key: str, matched: Matched, kind: Kind, effect: Effect, p_holm: float | None, gated: bool, gates: int, terms: Terms
) -> Change:
    what, is_paired = QUANTITIES[key], kind is not Kind.UNPAIRED
    margin = min(terms.margin, RATIO_MARGIN) if key in RATIOS else terms.margin
    count = min(len(matched.base), len(matched.candidate))
    test = Test(math.log1p(margin), gates, is_paired)
    base, candidate = ([run.quantities[key] for run in side] for side in (matched.base, matched.candidate))
    silent = _silent(key, matched.base), _silent(key, matched.candidate)
    verdict = _word(effect, p_holm, test.margin, what.better, silent, same=terms.same)
    if key in RATIOS and p_holm is not None and not terms.same and candidate.count(0.0) > base.count(0.0):
        verdict = Word.REGRESSED  # a run that loses everything spreads so far that no mean shows it
    needed = sees = None
    if effect.sd is not None and not _short_of_messages(key, test.margin, matched):
        detect = 2 * margin if key in RATIOS else terms.detect
        needed = pairs_needed(effect.sd, effect.degrees, math.log1p(detect), test) if effect.sd else None
        smallest = smallest_seen(effect.sd, count, test)
        sees = None if smallest is None else math.expm1(smallest)
    return Change(
        verdict=verdict,
        ratio=math.exp(effect.mean),
        ci95=_interval(effect),
        pairs=count if kind is Kind.PAIRED else 0,
        runs=(len(base), len(candidate)),
        pair_ratios=np.exp(np.subtract(_logs(key, matched.candidate), _logs(key, matched.base))).tolist()
        if kind is Kind.PAIRED
        else [],
        base=base,
        candidate=candidate,
        label=what.label,
        unit=what.unit,
        better=what.better,
        gated=gated,
        provider_bound=_provider_bound(key, terms),
        margin=margin,
        p=effect.p,
        p_holm=p_holm,
        p_exact=effect.exact,
        new_pairs=needed,
        sees=sees,
        sd=effect.sd,
        silent=silent,
    )


def _interval(effect: Effect) -> tuple[float, float | None] | None:
    if effect.low is None or effect.high is None:
        return None
    return math.exp(effect.low), math.exp(effect.high) if math.isfinite(effect.high) else None


def _short_of_messages(key: str, margin: float, matched: Matched) -> bool:
    """Whether all messages together are too few to see a change of the margin's size, however alike the runs are."""
    if key not in RATIOS:
        return False
    low, high = _by_messages(key, matched)
    return high - low > 2 * margin


def _silent(key: str, runs: Sequence[Sample]) -> int:
    return sum(key in run.silent for run in runs)


def _word(
    effect: Effect, p_holm: float | None, margin: float, better: Better, silent: tuple[int, int], *, same: bool
) -> Word:
    if effect.low is None or effect.high is None or p_holm is None:
        return Word.INCONCLUSIVE
    if -margin < effect.low and effect.high < margin:
        return Word.INCONCLUSIVE if any(silent) else Word.EQUIVALENT
    if p_holm > ALPHA or abs(effect.mean) < margin or same or _unbounded(effect.mean, silent):
        return Word.INCONCLUSIVE
    return Word.REGRESSED if (effect.mean > 0) is (better is Better.LOWER) else Word.IMPROVED


def _unbounded(mean: float, silent: tuple[int, int]) -> bool:
    """Whether the change may be none after all: a value that is only known from below is on the lower side."""
    lower, higher = silent if mean > 0 else silent[::-1]
    return 0 < lower >= higher


def _together(words: Sequence[Word]) -> Word:
    """One regression is enough; that nothing regressed takes knowing of every gate."""
    for word in (Word.REGRESSED, Word.INCONCLUSIVE, Word.IMPROVED):
        if word in words:
            return word
    return Word.EQUIVALENT if words else Word.INCONCLUSIVE


def _notes(
    matched: Matched, kind: Kind, gates: Mapping[str, Change], terms: Terms, differences: Sequence[str]
) -> list[str]:
    notes = []
    if kind is Kind.DESCRIPTIVE:
        several = "Compare several runs of each, or let `loadtest ab` make them"
        advice = "It takes several pairs" if matched.paired else several
        notes.append(
            f"one run against one run: a description, no verdict; a restart alone may differ by as much. {advice}"
        )
    elif min(len(matched.base), len(matched.candidate)) < 2:
        notes.append("a side of a single run shows no spread, so there is no interval: give several runs of each")
    if differences:
        notes.append(f"compared by force: {'; '.join(differences)}")
    if matched.alone:
        notes.append(f"left out for want of a partner: {', '.join(matched.alone)}")
    if not gates:
        notes.append("no metric decides: the runs have none of the gates, or a live provider outweighs the backend")
    if terms.live_provider:
        notes.append("answers come from a live model: metrics that its provider dominates do not decide")
    unknown = [change.label for change in gates.values() if all(change.silent)]
    if unknown:
        notes.append(
            f"runs of both builds end {', '.join(unknown)} among the unanswered: how far they lie apart there is not "
            "known; give a longer --reply-timeout, or name a lower percentile with --gate"
        )
    notes += [
        _lost_all(change) for key, change in gates.items() if key in RATIOS and 0.0 in (*change.base, *change.candidate)
    ]
    notes += [
        _too_few(key, change, matched)
        for key, change in gates.items()
        if change.verdict is Word.INCONCLUSIVE
        and change.ci95 is not None
        and _short_of_messages(key, math.log1p(change.margin), matched)
    ]
    doubtful = [change.label for change in gates.values() if _doubtful(change)]
    if doubtful:
        notes.append(f"t test and exact test disagree on {', '.join(doubtful)}: look at the pairs for an outlier")
    apart = [change for change in gates.values() if terms.same and change.p_holm is not None and change.p_holm <= ALPHA]
    notes += [
        f"one build differs from itself in {change.label} by {change.ratio - 1:+.1%}: something in this setup "
        "favours a side; find it before comparing builds"
        for change in apart
    ]
    return notes


def _lost_all(change: Change) -> str:
    base, candidate = change.base.count(0.0), change.candidate.count(0.0)
    return (
        f"{change.label} is 0 in {base} of {len(change.base)} runs of the base and {candidate} of "
        f"{len(change.candidate)} of the candidate: look into those first; the change counts 0 as {100 * LEAST:g} %"
    )


def _too_few(key: str, change: Change, matched: Matched) -> str:
    fewest = min(_pooled(key, side)[1] for side in (matched.base, matched.candidate))
    needed = math.ceil(-math.log(TAIL) / math.log1p(change.margin))
    return (
        f"{change.label}: {fewest:,} messages of a build are too few to tell {100 * change.margin:g} % from none; "
        f"without a single loss it takes {needed:,}, so make the runs longer, or give more users"
    )


def _doubtful(change: Change) -> bool:
    """Whether the exact test, where it has runs enough to reject at all, is of another mind than a found change."""
    if change.verdict not in (Word.REGRESSED, Word.IMPROVED) or change.p_exact is None:
        return False
    if change.p_holm is None or change.p_holm > ALPHA:
        return False
    least = _least_p(change)
    return least <= ALPHA < change.p_exact


def _least_p(change: Change) -> float:
    """The smallest two-sided p that the exact test can come to with so many runs."""
    base, candidate = change.runs
    return 2.0 ** (1 - change.pairs) if change.pairs else 2 / math.comb(base + candidate, base)
