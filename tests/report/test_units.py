"""Numbers as people read them."""

import pytest

from loadtest.report.units import Span, duration, milliseconds, number, percent, quantity, size, span


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0.0, "0 ms"), (0.0123, "12 µs"), (0.1, "0.10 ms"), (1.234, "1.23 ms"), (12.34, "12.3 ms"),
        (123.4, "123 ms"), (999.4, "999 ms"), (1_234.0, "1.23 s"), (-5.0, "-5.00 ms"), (100_000.0, "100 s"),
    ],
)  # fmt: skip
def test_milliseconds(value, shown):
    assert milliseconds(value) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.25, "0.2 s"), (45, "45 s"), (300, "5 min"), (3_900, "1 h 5 min")])
def test_duration(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.00 KB"),
        (84_600, "84.6 KB"),
        (1_140_000, "1.14 MB"),
        (2_500_000_000, "2.50 GB"),
    ],
)
def test_sizes(octets, shown):
    assert size(octets) == shown


def test_what_is_not_known_is_a_dash():
    assert [number(None), percent(None), quantity(None, "chars/s")] == ["–", "–", "–"]


def test_others():
    assert number(1_234) == "1,234"
    assert percent(0.0512) == "5.1 %"
    assert quantity(167.2, "chars/s") == "167 chars/s"


INF = float("inf")


@pytest.mark.parametrize(
    ("times", "shown", "ends"),
    [
        ((1.12, 1.03, 1.234), Span("1.12", "1.03", "1.23", "ms"), "1.03–1.23"),
        ((950.0, 900.0, 1_100.0), Span("950", "900", "1,100", "ms"), "900–1,100"),
        ((1_000.0, 900.0, 1_100.0), Span("1.00", "0.90", "1.10", "s"), "0.90–1.10"),
        ((0.05, 0.041, 0.13), Span("50", "41", "130", "µs"), "41–130"),
        ((0.0, 0.0, 0.0), Span("0", "0", "0", "ms"), "0–0"),
        ((412.0, 380.0, INF), Span("412", "380", "∞", "ms"), "380–∞"),
        ((INF, 380.0, INF), Span("∞", "380", "∞", "ms"), "380 ms–∞"),
    ],
)
def test_an_interval_has_the_unit_of_its_estimate(times, shown, ends):
    assert span(*times) == shown
    assert shown.ends == ends
