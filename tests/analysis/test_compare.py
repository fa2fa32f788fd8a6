"""Verdicts on two builds: the run is the sample."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from staged_samples import pairs, sample, silent

from loadtest.analysis.compare import Kind, Terms, Word, compare
from loadtest.analysis.effect import holm, paired, pooled_shares, sign_flip, unpaired
from loadtest.analysis.pairs import Matched, differences, match, unsound
from loadtest.analysis.power import Test as Planned
from loadtest.analysis.power import pairs_needed, power, smallest_seen

ACK = "ack_delivered.p95"


def verdict(matched, key=ACK, **terms):
    return compare(matched, Terms(**terms)).metrics[key].verdict


class TestEffect:
    def test_paired_is_students_t(self):
        values = [0.1, 0.2, 0.05, 0.12]
        found, expected = paired(values), stats.ttest_1samp(values, 0)
        interval = expected.confidence_interval()
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))

    def test_unpaired_is_welchs_t(self):
        first, second = [1.0, 1.2, 0.9, 1.1], [1.4, 1.9, 1.5]
        found, expected = unpaired(first, second), stats.ttest_ind(second, first, equal_var=False)
        interval = expected.confidence_interval()
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        assert found.exact == pytest.approx(stats.mannwhitneyu(first, second, method="exact").pvalue)

    @given(st.lists(st.integers(-50, 50), min_size=2, max_size=8))
    def test_sign_flip_tries_every_pattern(self, values):
        total = abs(sum(values))
        signs = itertools.product((1, -1), repeat=len(values))
        sums = [abs(sum(s * v for s, v in zip(pattern, values, strict=True))) for pattern in signs]
        assert sign_flip(np.array(values, np.float64)) == np.mean([s >= total for s in sums])

    def test_six_pairs_that_agree_have_the_smallest_p_there_is(self):
        assert sign_flip(np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.15])) == 2 / 64

    def test_holm_steps_down_and_never_back(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])

    def test_pairs_without_any_spread_are_no_certainty(self):
        assert paired([0.1, 0.1]).p == 0.5

    def test_shares_are_known_no_better_than_their_messages_allow(self):
        # nothing of 90 is lost: 95 % exact, the share is above 0.025^(1/90)
        low, high = pooled_shares((90, 90), (90, 90))
        assert (low, high) == pytest.approx((math.log(0.025) / 90, -math.log(0.025) / 90))


class TestVerdict:
    def test_slower_beyond_the_margin_is_regressed(self):
        result = compare(pairs(1.14), Terms())
        ack = result.metrics[ACK]
        assert (result.verdict, ack.verdict, ack.pairs) == (Word.REGRESSED, Word.REGRESSED, 8)
        assert ack.ratio == pytest.approx(1.14, rel=0.01)
        assert ack.ci95[0] < 1.14 < ack.ci95[1]

    def test_faster_beyond_the_margin_is_improved(self):
        assert verdict(pairs(0.88)) is Word.IMPROVED

    def test_an_interval_within_the_margin_is_equivalent(self):
        assert compare(pairs(1.01), Terms()).verdict is Word.EQUIVALENT

    def test_a_wide_interval_is_inconclusive_and_says_what_a_new_experiment_takes(self):
        ack = compare(pairs(1.04, noise=6), Terms()).metrics[ACK]
        assert ack.verdict is Word.INCONCLUSIVE
        assert ack.new_pairs > 8

    def test_a_sure_change_below_the_margin_is_no_regression(self):
        assert verdict(pairs(1.047, noise=0.1), margin=0.05) is Word.EQUIVALENT
        assert verdict(pairs(1.045, noise=1), margin=0.05) is Word.INCONCLUSIVE

    def test_a_lower_rate_is_worse(self):
        assert verdict(pairs(0.97, key="delivered_ratio"), "delivered_ratio") is Word.REGRESSED

    def test_few_messages_without_a_loss_are_no_proof_that_none_get_lost(self):
        def side(name, messages):
            return [sample(f"{name}{n}", messages={"delivered_ratio": messages}) for n in range(3)]

        few = compare(Matched(side("a", 30), side("b", 30), paired=True), Terms())
        ratio = few.metrics["delivered_ratio"]
        assert (few.verdict, ratio.verdict) == (Word.INCONCLUSIVE, Word.INCONCLUSIVE)
        assert ratio.ci95 == pytest.approx((0.025 ** (1 / 90), 0.025 ** (-1 / 90)))
        assert (ratio.sees, ratio.new_pairs) == (None, None)
        assert few.notes == [
            "delivered ratio: 90 messages of a build are too few to tell 0.5 % from none; without a single loss it "
            "takes 740, so make the runs longer, or give more users"
        ]
        many = compare(Matched(side("a", 247), side("b", 247), paired=True), Terms())
        assert many.metrics["delivered_ratio"].verdict is Word.EQUIVALENT

    def test_a_run_that_delivers_nothing_is_a_regression_though_the_others_are_well(self):
        dead = [sample(f"c{n}", quantities={"delivered_ratio": 0.0 if n == 3 else 1.0}) for n in range(8)]
        result = compare(Matched([sample(f"b{n}") for n in range(8)], dead, paired=True), Terms())
        ratio = result.metrics["delivered_ratio"]
        assert (result.verdict, ratio.verdict, ratio.candidate.count(0.0)) == (Word.REGRESSED, Word.REGRESSED, 1)
        assert result.notes == [
            "delivered ratio is 0 in 0 of 8 runs of the base and 1 of 8 of the candidate: look into those first; the "
            "change counts 0 as 0.01 %"
        ]
        assert ratio.means == (1.0, 0.875)

    def test_one_build_cannot_regress_but_a_setup_that_favours_a_side_is_told(self):
        result = compare(pairs(1.14), Terms(same=True))
        assert result.verdict is Word.INCONCLUSIVE
        assert any("one build differs from itself in ack delivered p95 by +14" in note for note in result.notes)

    def test_metrics_are_ranked_by_size_gates_first(self):
        result = compare(pairs(0.7), Terms())
        sizes = [change.size for change in result.gated.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert list(result.metrics)[: len(sizes)] == list(result.gated)

    def test_one_run_against_one_is_a_description(self):
        result = compare(match([sample("a")], [sample("b", quantities={ACK: 20.0})]), Terms())
        assert (result.kind, result.verdict, result.metrics[ACK].ci95) == (Kind.DESCRIPTIVE, Word.INCONCLUSIVE, None)

    def test_one_pair_is_told_that_it_takes_more(self):
        result = compare(match([sample("a", pair=1)], [sample("b", pair=1)]), Terms())
        assert result.notes[0].endswith("may differ by as much. It takes several pairs")

    def test_several_runs_against_one_have_no_interval(self):
        result = compare(Matched([sample("a"), sample("b")], [sample("c")], paired=False), Terms())
        assert result.metrics[ACK].ci95 is None
        assert any("single run shows no spread" in note for note in result.notes)

    def test_a_live_provider_decides_nothing(self):
        result = compare(pairs(1.3, key="ttft.p95"), Terms(live_provider=True))
        assert result.metrics["ttft.p95"].provider_bound
        assert "ttft.p95" not in result.gated
        assert result.verdict is Word.EQUIVALENT

    def test_completion_times_of_longer_answers_are_not_compared(self):
        longer = pairs()
        longer = Matched(longer.base, [sample(f"c{n}", chars=150.0) for n in range(8)], paired=True)
        result = compare(longer, Terms())
        assert "answers are 25% longer" in result.left_out["stream_completion.p95"]
        assert "stream_rate.p50" in result.gated

    def test_a_rate_stands_in_for_completion_times_of_unequal_answers_only(self):
        slow = [sample(f"c{n}", quantities={"stream_completion.p95": 30_000.0 if n else None}) for n in range(8)]
        result = compare(Matched([sample(f"b{n}") for n in range(8)], slow, paired=True), Terms())
        assert (result.verdict, result.unjudged) == (Word.INCONCLUSIVE, ["stream_completion.p95"])
        assert "stream_rate.p50" not in result.gated

    def test_what_some_runs_lack_is_left_out_with_the_reason(self):
        lacking = Matched([sample("a")], [sample("b", quantities={"ttft.p95": None})], paired=False)
        assert compare(lacking, Terms()).left_out == {"ttft.p95": "1 of 2 runs have too few samples of it"}

    def test_runs_without_overlap_are_refused(self):
        nothing = sample("b", quantities=dict.fromkeys(sample().quantities))
        with pytest.raises(ValueError, match="no metric in common"):
            compare(Matched([sample("a")], [nothing], paired=False), Terms())

    def test_a_gate_that_the_runs_are_too_short_for_is_no_proof_that_nothing_changed(self):
        short = {ACK: None, "ttft.p95": None}  # acks have a p50 still, first tokens nothing: they were not measured
        runs = [sample(f"{side}{n}", quantities=short) for side in "ab" for n in range(3)]
        result = compare(Matched(runs[:3], runs[3:], paired=True), Terms())
        assert (result.verdict, result.unjudged) == (Word.INCONCLUSIVE, [ACK])
        declared = compare(Matched(runs[:3], runs[3:], paired=True), Terms(gates=("delivered_ratio",)))
        assert (declared.verdict, declared.unjudged) == (Word.EQUIVALENT, [])

    def test_a_declared_gate_that_is_missing_is_refused(self):
        with pytest.raises(ValueError, match=r"--gate fanout\.p95: the runs have too few samples"):
            compare(pairs(), Terms(gates=("fanout.p95",)))

    @pytest.mark.parametrize(
        ("base", "candidate", "expected"),
        [(0, 8, "regressed"), (8, 0, "improved"), (1, 8, "regressed"), (8, 8, "inconclusive"), (4, 4, "inconclusive")],
    )
    def test_what_was_never_answered_is_worse_than_what_was_and_like_nothing_else(self, base, candidate, expected):
        matched = silent(base, candidate)
        assert verdict(matched) == expected
        assert compare(matched, Terms()).metrics[ACK].silent == (base, candidate)

    def test_silence_on_both_sides_is_told_with_its_remedy(self):
        (note,) = compare(silent(8, 8), Terms()).notes
        assert "both builds end ack delivered p95 among the unanswered" in note


class TestPairs:
    def test_the_label_makes_pairs_whatever_the_order(self):
        found = match([sample("a1", pair=1), sample("a2", pair=2)], [sample("b2", pair=2), sample("b1", pair=1)])
        assert found.paired
        assert [run.folder for run in found.candidate] == ["b1", "b2"]

    def test_a_run_without_a_partner_is_left_out(self):
        found = match([sample("a1", pair=1), sample("a2", pair=2)], [sample("b2", pair=2)])
        assert (found.alone, [run.folder for run in found.base]) == (["a1"], ["a2"])

    def test_without_labels_they_are_two_groups(self):
        assert not match([sample("a"), sample("b")], [sample("c"), sample("d")]).paired

    def test_pairs_that_do_not_overlap_are_refused(self):
        with pytest.raises(ValueError, match="no pair is complete"):
            match([sample(pair=1)], [sample(pair=2)])

    def test_differences_are_named(self):
        other = sample("b", seed=2, seconds=90.0, workload={"scenario": "chat", "users": "60"})
        assert differences(Matched([sample("a")], [other], paired=False)) == [
            "users 50 and 60",
            "measured time 60 s and 90 s",
            "--seed 1 and 2",
        ]

    def test_seeds_have_to_agree_within_a_pair(self):
        matched = match([sample("a", pair=1, seed=1)], [sample("b", pair=1, seed=2)])
        assert differences(matched) == ["--seed 1 and 2 in pair 1"]

    def test_invalid_runs_are_named_with_their_reason(self):
        assert unsound([sample("a"), sample("b", status="invalid", reasons=["sent late"])]) == [
            "b is invalid: sent late"
        ]


class TestPower:
    TEST = Planned(math.log1p(0.05), gates=4)

    def test_more_pairs_find_more(self):
        found = [power(0.08, count, math.log(1.1), self.TEST) for count in (4, 8, 16, 32)]
        assert found == sorted(found)
        assert found[-1] > 0.8

    def test_the_textbook_number_without_margin_and_gates(self):
        # two-sided 5 %, 80 % power, effect of one standard deviation: 10 pairs (Cohen)
        assert power(1.0, 10, 1.0, Planned(0.0)) == pytest.approx(0.803, abs=0.01)

    def test_the_smallest_seen_is_found_with_the_power_promised(self):
        smallest = smallest_seen(0.05, 8, self.TEST)
        assert power(0.05, 8, smallest, self.TEST) == pytest.approx(0.8, abs=1e-6)

    def test_few_pairs_are_planned_with_caution(self):
        assert pairs_needed(0.05, 3, math.log(1.1), self.TEST) > pairs_needed(0.05, 100, math.log(1.1), self.TEST)

    def test_what_a_thousand_pairs_cannot_find_is_said_to_be_unknown(self):
        assert pairs_needed(5.0, 7, math.log(1.1), self.TEST) is None
