"""Quantities that differ from case to case: constants, distributions and files."""

from random import Random

import pytest

from loadtest.settings import positive_duration, positive_int, spread

lengths = spread(positive_int, "40", "200")
times = spread(positive_duration, "30s", "90s")


def refusal(text, parse=lengths):
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    return str(caught.value)


def test_a_number_alone_is_a_constant():
    assert {lengths("40").draw(Random(seed)) for seed in range(5)} == {40}
    assert times("1.5m").draw(Random(1)) == 90.0


@pytest.mark.parametrize(
    ("text", "mean"),
    [("uniform:20s,60s", 40.0), ("exponential:30s", 30.0), ("lognormal:20s,1", 32.974)],
)
def test_values_have_the_mean_that_plans_are_made_with(text, mean):
    rng = Random(1)
    drawn = [times(text).draw(rng) for _ in range(20_000)]
    assert times(text).mean == pytest.approx(mean, rel=1e-4)
    assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.05)


def test_values_of_a_file_are_drawn_as_they_lie(tmp_path):
    found = tmp_path / "lengths.txt"
    found.write_text("10\n\n10\n400\n")
    rng = Random(1)
    drawn = [lengths(f"file:{found}").draw(rng) for _ in range(3_000)]
    assert set(drawn) == {10, 400}
    assert drawn.count(10) / 3_000 == pytest.approx(2 / 3, abs=0.05)


def test_the_same_seed_draws_the_same():
    assert times("lognormal:20s,1").draw(Random(7)) == times("lognormal:20s,1").draw(Random(7))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("normal:40,5", "there is no 'normal'; give 40, uniform:40,200"),
        ("uniform:40", "has not the numbers that it takes"),
        ("uniform:200,40", "swap them"),
        ("lognormal:40,-1", "'-1' is no sigma"),
        ("0", "not a whole number above 0"),
        ("file:/nowhere", "'/nowhere' cannot be read"),
    ],
)
def test_what_is_none_is_refused_with_what_to_give(text, told):
    assert told in refusal(text)


def test_a_line_of_a_file_that_is_no_value_is_named(tmp_path):
    found = tmp_path / "lengths.txt"
    found.write_text("10\nlong\n")
    assert f"line 2 of {str(found)!r}: 'long' is not a whole number" in refusal(f"file:{found}")
    found.write_text("\n")
    assert "holds no value" in refusal(f"file:{found}")
