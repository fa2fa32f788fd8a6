"""A limit from literal evidence; `tests/conformance/test_limiter_probe.py` has whole procedures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.limits.evidence import Evidence, Return, Try
from loadtest.analysis.limits.limiter import FoundKind, Scope, identify, promise_error_s, roundest


def at(seconds, admitted=True, promised=None):
    ns = round(seconds * 1e9)
    return Try(ns, ns + 1_000_000, admitted, promised)


BURST = (*(at(0.0) for _ in range(4)), at(0.0, False, 2))
RETURNED = Return(at(0.0), at(1.98, False), at(2.01), 4)


def spread(at_once):
    return Return(at(0.2), at(2.19, False), at(2.21), at_once)


def test_all_at_once_after_a_spread_is_a_fixed_window():
    limiter = identify(Evidence(BURST, (at(0.1, False),), at(0.2), RETURNED, spread(4)))
    assert (limiter.kind, limiter.limit, limiter.window_s, limiter.scope) == (FoundKind.FIXED, 4, 2.0, Scope.USER)
    assert limiter.window_bounds_s == (pytest.approx(1.989), pytest.approx(2.011))


def test_one_at_a_time_after_a_spread_is_a_sliding_log():
    assert identify(Evidence(BURST, (at(0.1, False),), at(0.2), RETURNED, spread(1))).kind is FoundKind.SLIDING


def test_three_of_four_after_a_spread_are_neither():
    assert identify(Evidence(BURST, (at(0.1, False),), at(0.2), RETURNED, spread(3))).kind is FoundKind.UNCLEAR


def bucket(burst, *later, at_once=1):
    """What is told of a bucket of which one message was admitted again after one that was not."""
    returned = Return(burst[0], later[0], later[1], at_once)
    return identify(Evidence(burst, (burst[-1],), at(2.0), returned, first_connection=burst + later))


def test_one_of_many_after_a_burst_is_a_bucket_whose_window_is_that_of_all_tokens():
    limiter = bucket(BURST, at(0.49, False), at(0.51), at(0.52, False), at(0.99, False), at(1.01))
    assert (limiter.kind, limiter.limit, limiter.window_s) == (FoundKind.BUCKET, 4, 2.0)
    assert limiter.window_bounds_s == (pytest.approx(0.989 * 2), pytest.approx(1.011 * 2))


def test_of_several_buckets_that_are_possible_the_roundest_is_told_with_the_bounds_of_all():
    """Some of twelve in 1.2 s took tokens that had just fallen: a look after 0.7 s does not tell how many."""
    burst = (*(at(place / 10) for place in range(12)), at(1.2, False))
    limiter = bucket(burst, at(1.21, False), at(1.9), at(1.91, False))
    assert (limiter.limit, limiter.limit_bounds) == (10, (10, 12))
    assert limiter.window_bounds_s == (pytest.approx(10 * 1.909 / 4), pytest.approx(12 * 1.901))


def test_a_bucket_that_is_filled_unevenly_is_told_without_a_size():
    later = (at(0.49, False), at(0.51), at(0.52, False), at(0.6))
    limiter = bucket(BURST, *later)
    assert (limiter.kind, limiter.limit, limiter.window_s, limiter.window_bounds_s) == ("bucket", None, None, None)
    assert "no bucket that fills evenly" in limiter.evidence[-1]


def test_a_token_that_fell_meanwhile_makes_no_limit_of_each_connection():
    second = (at(0.1), *(at(0.1, False) for _ in range(4)))
    limiter = identify(Evidence(BURST, second, at(0.2)))
    assert limiter.scope is Scope.USER
    assert "admitted 1 of 5 times on a second connection" in limiter.evidence[1]


def test_a_limit_of_one_has_no_kind():
    one = (at(0.0), at(0.0, False, 2))
    assert (
        identify(Evidence(one, (at(0.1, False),), at(0.2), Return(at(0.0), at(1.9, False), at(2.0), 1))).kind
        == "unclear"
    )


def test_a_second_connection_that_is_admitted_has_a_limit_of_its_own():
    assert identify(Evidence(BURST, tuple(at(0.1) for _ in range(4)), at(0.2))).scope is Scope.CONNECTION


def test_without_a_rejection_and_an_answer_nothing_is_known():
    assert identify(Evidence((at(0.0, None),))).kind is FoundKind.UNCLEAR


@pytest.mark.parametrize(("promised", "least", "most"), [(2, -0.021, 0.011), (5, -3.021, -2.989)])
def test_a_promise_against_the_real_wait(promised, least, most):
    burst = (at(0.0), at(0.0, False, promised))
    assert promise_error_s(Evidence(burst, returned=RETURNED)) == (pytest.approx(least), pytest.approx(most))


@pytest.mark.parametrize(
    ("low", "high", "number"),
    [
        (59.71, 60.31, 60.0),
        (1.98, 2.01, 2.0),
        (0.19, 0.22, 0.2),
        (88.0, 91.0, 90.0),
        (2.41, 2.49, 2.45),
        (7.0, 7.0, 7.0),
    ],
)
def test_the_roundest_number(low, high, number):
    assert roundest(low, high) == number


@given(st.floats(0.01, 1e5), st.floats(0.001, 0.5))
def test_the_roundest_number_lies_between(low, share):
    high = low * (1 + share)
    assert low <= roundest(low, high) <= high
