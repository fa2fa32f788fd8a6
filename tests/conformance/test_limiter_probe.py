"""Limits of every kind are recognized from outside, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.analysis.limits.evidence import NS_PER_S, Try
from loadtest.analysis.limits.limiter import FoundKind, Scope, identify, promise_error_s
from loadtest.conformance.cases.limiter import QUICK_S as QUICK_LIMIT_S
from loadtest.conformance.check import QUICK_S
from loadtest.conformance.limiter_probe import LimiterProbe, Who
from loadtest.server.limiter import LimiterKind as Kept
from loadtest.settings import Rate


class ByClock:
    """A fixed window that begins at multiples of its length, whoever sends when."""

    def __init__(self, rate):
        self._limit, self._length_ns = rate.messages, round(rate.window_s * NS_PER_S)
        self._taken = {}

    def take(self, user, now_ns):
        window = now_ns // self._length_ns
        taken = self._taken[user, window] = self._taken.get((user, window), 0) + 1
        rest_ns = (window + 1) * self._length_ns - now_ns
        return 0 if taken <= self._limit else -(-rest_ns // NS_PER_S)


class Penal:
    """A log that rejected messages are written into, too."""

    def __init__(self, rate):
        self._limit, self._length_ns = rate.messages, round(rate.window_s * NS_PER_S)
        self._log = []

    def take(self, user, now_ns):
        self._log = [each for each in self._log if each[1] > now_ns - self._length_ns]
        full = sum(each[0] == user for each in self._log) >= self._limit
        self._log.append((user, now_ns))
        return -(-self._length_ns // NS_PER_S) if full else 0


class InVirtualTime:
    """Asks a limiter, with a clock that moves when somebody waits, and between two messages that are sent together."""

    def __init__(self, limiter, scope=Scope.USER, rtt_ns=1_000_000, began_ns=7_000_000_000, silent=False, apart_ns=0):
        self._limiter, self._scope, self._rtt_ns, self._silent = limiter, scope, rtt_ns, silent
        self._apart_ns = apart_ns
        self._now_ns = self.began_ns = began_ns
        self.asked = 0

    def now_ns(self):
        return self._now_ns

    def sleep(self, seconds):
        self._now_ns += max(round(seconds * NS_PER_S), 0)

    def expect(self, seconds):
        self.expected_s = seconds

    def ask(self, who, messages):
        self.asked += messages
        sent_ns = [self._now_ns + place * self._apart_ns for place in range(messages)]
        self._now_ns = sent_ns[-1] + self._rtt_ns
        return [self._try(self._key(who), each) for each in sent_ns]

    def _key(self, who):
        users = {Who.FIRST: "a", Who.SECOND_CONNECTION: "a", Who.OTHER: "b"}
        return {Scope.USER: users[who], Scope.CONNECTION: who.name, Scope.ALL: "everybody"}[self._scope]

    def _try(self, key, sent_ns):
        answered_ns = sent_ns + self._rtt_ns
        if self._silent:
            return Try(sent_ns, answered_ns, None)
        wait = 0 if self._limiter is None else self._limiter.take(key, sent_ns + self._rtt_ns // 2)
        return Try(sent_ns, answered_ns, wait == 0, wait or None)

    @property
    def took_s(self):
        return (self._now_ns - self.began_ns) / NS_PER_S


GUIDE = Rate(10, 60.0)


def found(asker, declared=GUIDE, longest_s=180.0):
    return identify(LimiterProbe(asker, declared, longest_s).run())


@pytest.mark.parametrize("kind", list(Kept))
@pytest.mark.parametrize("scope", [Scope.USER, Scope.CONNECTION])
def test_the_guides_limit_in_little_more_than_a_window(kind, scope):
    asker = InVirtualTime(kind.of(Rate(10, 60.0)), scope)
    limiter = found(asker)
    assert (limiter.kind, limiter.limit, limiter.scope, limiter.window_s) == (kind, 10, scope, 60.0)
    assert asker.took_s < 72


RATES = st.builds(Rate, st.integers(2, 30), st.sampled_from([2.0, 5.0, 10.0, 60.0, 90.0]))


@given(st.sampled_from(Kept), RATES, st.integers(100_000, 10_000_000), st.sampled_from([Scope.USER, Scope.CONNECTION]))
def test_any_limit_is_recognized_whatever_was_declared(kind, rate, rtt_ns, scope):
    asker = InVirtualTime(kind.of(rate), scope, rtt_ns)
    limiter = found(asker, longest_s=300.0)
    assert (limiter.kind, limiter.limit, limiter.scope) == (kind, rate.messages, scope)
    low, high = limiter.window_bounds_s
    assert low <= rate.window_s <= high
    assert asker.took_s < 2.1 * rate.window_s


@pytest.mark.parametrize(("rate", "declared"), [(Rate(100, 10.0), Rate(100, 10.0)), (Rate(80, 10.0), GUIDE)])
def test_tokens_that_fall_while_a_bucket_is_emptied_are_no_part_of_its_size(rate, declared):
    """Sent 2 ms apart, a hundred take two tokens' time, and eighty one."""
    limiter = found(InVirtualTime(Kept.BUCKET.of(rate), apart_ns=2_000_000), declared)
    size = rate.messages
    assert (limiter.kind, limiter.limit, limiter.limit_bounds) == (FoundKind.BUCKET, size, (size, size))
    assert limiter.window_s == 10.0
    low, high = limiter.window_bounds_s
    assert low <= 10.0 <= high
    assert f"a bucket of {size} that got tokens while it was emptied" in limiter.evidence


@given(
    rate=st.builds(Rate, st.integers(2, 80), st.sampled_from([1.0, 2.0, 5.0, 10.0, 60.0])),
    rtt_ns=st.integers(100_000, 150_000_000),
    apart_ns=st.integers(0, 20_000_000),
    scope=st.sampled_from([Scope.USER, Scope.CONNECTION]),
)
def test_what_is_told_of_a_bucket_is_true_however_slowly_it_is_emptied(rate, rtt_ns, apart_ns, scope):
    limiter = found(InVirtualTime(Kept.BUCKET.of(rate), scope, rtt_ns, apart_ns=apart_ns), rate)
    assert limiter.kind in (FoundKind.BUCKET, FoundKind.UNCLEAR, FoundKind.NONE)
    if limiter.kind is FoundKind.BUCKET:
        assert limiter.scope is scope
        assert limiter.limit_bounds[0] <= rate.messages <= limiter.limit_bounds[1]
        assert limiter.window_bounds_s[0] <= rate.window_s <= limiter.window_bounds_s[1]


@given(RATES, st.integers(0, 60 * NS_PER_S))
def test_windows_by_the_clock_take_two(rate, began_ns):
    rest_s = rate.window_s - began_ns / NS_PER_S % rate.window_s
    if rest_s < 0.5:  # the burst may lie in two windows
        return
    asker = InVirtualTime(ByClock(rate), began_ns=began_ns)
    limiter = found(asker, declared=rate, longest_s=300.0)
    assert (limiter.kind, limiter.limit) in ((FoundKind.FIXED, rate.messages), (FoundKind.UNCLEAR, rate.messages))
    if limiter.kind is FoundKind.FIXED and rest_s > 1:
        low, high = limiter.window_bounds_s
        assert low <= rate.window_s <= high


def test_no_limit():
    asker = InVirtualTime(None)
    limiter = found(asker)
    assert (limiter.kind, limiter.limit, limiter.window_s, limiter.scope) == (FoundKind.NONE, None, None, None)
    assert asker.asked == 100
    assert limiter.evidence == ("100 messages within 0.005 s: 100 admitted, none rejected; more were not sent",)


def test_a_limit_that_everybody_shares():
    assert found(InVirtualTime(Kept.FIXED.of(Rate(10, 10.0)), Scope.ALL)).scope is Scope.ALL


def test_rejected_messages_that_count():
    limiter = found(InVirtualTime(Penal(Rate(10, 10.0))))
    assert (limiter.kind, limiter.limit) == (FoundKind.UNCLEAR, 10)
    assert "messages that are rejected count against the limit, too" in limiter.evidence[-1]


def test_a_server_that_does_not_answer():
    limiter = found(InVirtualTime(None, silent=True))
    assert limiter.kind is FoundKind.UNCLEAR
    assert limiter.evidence[-1].endswith("11 not answered")


def test_where_a_window_takes_too_long_the_burst_and_the_promise_are_what_there_is():
    asker = InVirtualTime(Kept.SLIDING.of(Rate(10, 60.0)))
    limiter = found(asker, longest_s=8.0)
    assert (limiter.kind, limiter.limit, limiter.scope) == (FoundKind.UNCLEAR, 10, Scope.USER)
    assert (limiter.window_s, limiter.window_bounds_s) == (60.0, None)
    assert "--full" in limiter.evidence[-1]
    assert asker.took_s < 1


class TooShort:
    """A limiter that promises a wait of so many seconds, whatever the true one."""

    def __init__(self, limiter, promised_s):
        self._limiter, self._promised_s = limiter, promised_s

    def take(self, user, now_ns):
        return self._limiter.take(user, now_ns) and self._promised_s


@pytest.mark.parametrize("promised_s", [1, 5, 6])
def test_a_promise_that_is_too_short_is_seen_in_less_time_than_the_quick_set_has(promised_s):
    asker = InVirtualTime(TooShort(Kept.FIXED.of(GUIDE), promised_s))
    evidence = LimiterProbe(asker, GUIDE, QUICK_LIMIT_S).run()
    rejection, again = evidence.rejection, evidence.rejected_again
    assert again.sent_ns - rejection.answered_ns > promised_s * NS_PER_S
    assert identify(evidence).window_s is None
    assert asker.took_s < QUICK_S - 1.0


@pytest.mark.parametrize("kind", list(Kept))
def test_an_honest_promise_is_kept_to_the_second(kind):
    low, high = promise_error_s(LimiterProbe(InVirtualTime(kind.of(Rate(10, 6.0))), Rate(10, 6.0), 60.0).run())
    assert high > -1
    assert low < 0
