"""Runs of two builds and of several nights, from literal records."""

from staged_run import MS, START, answered, batch, message, stage

from loadtest.model import Outcome


def acks(factor):
    """260 messages acked after 10 to 129 ms, times a factor; three runs of as many show that none is lost."""
    return [answered(n, 20 + n * 0.18, 1, **_delivered(n, 20 + n * 0.18, factor)) for n in range(260)]


def _delivered(number, at_s, factor):
    sent = START + round(at_s * 1_000) * MS + MS
    return {"delivered_ns": sent + round((10 + number * 37 % 120) * factor * MS)}


def side(folder, pair, factor, **facts):
    """A run of one side of a pair."""
    return stage(folder, [batch(acks(factor))], labels={"pair": str(pair)}, seed=pair, **facts)


def dead(folder, pair):
    """A run of one side of a pair that nothing was delivered in."""
    messages = [message(n, 20 + n * 0.18, Outcome.TIMEOUT) for n in range(260)]
    return stage(folder, [batch(messages)], labels={"pair": str(pair)}, seed=pair)


def night(folder, place, factor, **facts):
    """The run of the n-th night."""
    noise = 1 + (place % 3) / 200
    started = f"2026-11-{place + 1:02}T02:00:00+00:00"
    return stage(folder, [batch(acks(factor * noise))], labels={"build": f"b{place}"}, started_utc=started, **facts)
