"""Answers: as long and as slow as asked for, on average and exactly; the same for the same seed."""

from __future__ import annotations

from random import Random
from statistics import fmean, median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.server.answers import AnswerStyle, AnswerWriter, Distribution

DRAWS = 20_000


def _draws(distribution: Distribution, mean: float, sigma: float = 0.5) -> list[float]:
    random = Random(7)
    return [distribution.draw(random, mean, sigma) for _ in range(DRAWS)]


def test_a_constant_answer_is_what_was_asked_for() -> None:
    answer = AnswerWriter(AnswerStyle(ttft_s=0.4, gap_s=0.025, chunks=4)).answer()
    assert answer.waits_s == (0.4, 0.025, 0.025, 0.025)
    assert len(answer.ends) == 4
    assert answer.ends[-1] == len(answer.text)


def test_the_nth_answer_depends_on_the_seed_alone() -> None:
    style = AnswerStyle(distribution=Distribution.LOGNORMAL, seed=3)
    first, second = AnswerWriter(style), AnswerWriter(style)
    assert [first.answer() for _ in range(5)] == [second.answer() for _ in range(5)]
    assert AnswerWriter(AnswerStyle(seed=3)).answer() != AnswerWriter(AnswerStyle(seed=4)).answer()


# Tolerances are four standard errors of a mean of 20,000 draws: 2/√n = 0.014 for the exponential of mean 2, and
# 2·√(exp(σ²) - 1)/√n = 0.0075 for the lognormal; the standard deviation is rougher.
def test_the_exponential_has_the_mean_asked_for_and_its_spread() -> None:
    draws = _draws(Distribution.EXPONENTIAL, 2.0)
    assert fmean(draws) == pytest.approx(2.0, abs=0.06)
    assert stdev(draws) == pytest.approx(2.0, abs=0.1)
    assert min(draws) >= 0


def test_the_lognormal_has_the_mean_asked_for_and_a_median_below_it() -> None:
    draws = _draws(Distribution.LOGNORMAL, 2.0)
    assert fmean(draws) == pytest.approx(2.0, abs=0.03)
    assert median(draws) == pytest.approx(2.0 * 0.8825, abs=0.03)  # mean times exp(-σ²/2)
    assert min(draws) > 0


def test_a_mean_of_zero_is_zero_in_every_distribution() -> None:
    for distribution in Distribution:
        assert distribution.draw(Random(1), 0.0, 0.5) == 0.0


@given(
    st.builds(
        AnswerStyle,
        ttft_s=st.floats(0, 10),
        gap_s=st.floats(0, 10),
        chunks=st.integers(1, 200),
        distribution=st.sampled_from(Distribution),
        sigma=st.floats(0.01, 2),
        seed=st.integers(0, 2**63),
    )
)
def test_every_chunk_brings_something_new_and_the_last_ends_the_text(style: AnswerStyle) -> None:
    answer = AnswerWriter(style).answer()
    assert len(answer.waits_s) == len(answer.ends) >= 1
    assert list(answer.ends) == sorted(set(answer.ends))
    assert answer.ends[0] > 0
    assert answer.ends[-1] == len(answer.text)
    assert all(wait_s >= 0 for wait_s in answer.waits_s)


def test_a_message_may_ask_for_the_length_of_its_answer():
    writer = AnswerWriter(AnswerStyle(chunks=4))
    answer = writer.answer("Answer in 12 words. What is new?")
    assert (len(answer.ends), len(answer.text.split())) == (12, 12)
    assert len(writer.answer("Answer in 0 words.").ends) == len(writer.answer("12 words").ends) == 4
