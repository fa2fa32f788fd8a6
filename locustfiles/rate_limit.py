"""The rate limit under load: does it hold, does it promise right, and does it shield those who keep to it?

    loadtest run -f rate_limit --host ws://127.0.0.1:5000/ws -u 50 -t 5m --abuse-period 20s
    loadtest summarize results/latest --by behaviour

With --abuse-period the users above the limit come and go: `isolation` is what they do to the latency of the others.
How far above: --above-factor, --above-burst. Too many at one time? `--weights BurstUser=0`.
"""

from loadtest.load import AboveLimit, AtLimit, ChatUser, Polite, Probing


class WithinLimitUser(ChatUser):
    """Sends at --message-rate, and must never be rejected: the headline, and the side that is to be shielded."""

    weight = 10


class AtLimitUser(AtLimit):
    """Exactly at the limit: on the edge of each window."""

    weight = 2


class AboveLimitUser(AboveLimit):
    """--above-factor times the limit, whatever it is told."""

    weight = 3


class BurstUser(AboveLimit):
    """The same mean, 15 messages at once."""

    weight = 1
    burst = 15


class PoliteUser(Polite):
    """Above the limit, but waits as long as `Try again in X seconds` says: `retry_after_error`."""

    weight = 2


class ProbingUser(Probing):
    """Four ask once whether invalid, rejected and typing events count, and whether a reconnect resets the window."""

    fixed_count = 4
