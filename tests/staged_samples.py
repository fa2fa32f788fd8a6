"""Runs as samples with literal quantities, for comparisons and trends."""

from loadtest.analysis.pairs import Matched
from loadtest.analysis.sample import Sample


def sample(folder="run", *, pair=None, status="valid", reasons=(), seed=1, chars=120.0, seconds=60.0, **changes):
    """A run of 10 ms acks; `quantities` replace those of the same key, None removes one."""
    quantities = {
        "ack_delivered.p50": 6.0,
        "ack_delivered.p95": 10.0,
        "ttft.p95": 430.0,
        "stream_completion.p95": 1200.0,
        "stream_rate.p50": 160.0,
        "delivered_ratio": 1.0,
    } | changes.pop("quantities", {})
    labels = changes.pop("labels", {}) | ({} if pair is None else {"pair": str(pair)})
    facts = {
        "started_utc": "2026-11-24T02:00:00+00:00",
        "silent": [],
        "messages": {"delivered_ratio": 400},
        "workload": {"scenario": "chat", "users": "50"},
        "generator": {"tool version": "0.1.0"},
    }
    return Sample(
        folder=folder,
        status=status,
        reasons=list(reasons),
        labels=labels,
        seed=seed,
        quantities={key: value for key, value in quantities.items() if value is not None},
        chars=chars,
        seconds=seconds,
        **facts | changes,
    )


NOISE = (0.0, 0.012, -0.009, 0.004, -0.015, 0.007, 0.011, -0.01)
"""Log factors of eight runs of one build, which add up to nothing."""


def silent(base=0, candidate=0, key="ack_delivered.p95", count=8):
    """Eight pairs, of which so many runs of each side have `key` among the unanswered: it is 30 s, and may be more."""

    def side(name, number):
        quiet = {"silent": [key], "quantities": {key: 30_000.0}}
        return [sample(f"{name}-{place}", **(quiet if place < number else {})) for place in range(count)]

    return Matched(side("base", base), side("candidate", candidate), paired=True)


def dead(count=8):
    """Eight pairs whose candidate delivers nothing: no ack came, and no answer began."""
    silence = {"ack_delivered.p50": 30_000.0, "ack_delivered.p95": 30_000.0, "delivered_ratio": 0.0}
    lacking = dict.fromkeys(("ttft.p95", "stream_completion.p95", "stream_rate.p50"))
    quiet = {"silent": ["ack_delivered.p50", "ack_delivered.p95"], "quantities": silence | lacking, "chars": None}
    candidate = [sample(f"candidate-{place}", **quiet) for place in range(count)]
    return Matched([sample(f"base-{place}") for place in range(count)], candidate, paired=True)


def pairs(factor=1.0, noise=1.0, key="ack_delivered.p95", count=8, missing=()):
    """Eight pairs, of which the candidate's `key` is `factor` times as large, give or take the noise."""
    lacking = dict.fromkeys(missing)
    base, candidate = [], []
    for place in range(count):
        wobble = 1 + noise * NOISE[place]
        base.append(sample(f"base-{place}", quantities={"ttft.p95": 430 * (1 + NOISE[-place - 1] / 4)} | lacking))
        ack = {"ack_delivered.p95": 10.0, "ttft.p95": 430.0}
        value = (ack | {"delivered_ratio": 1.0, "stream_completion.p95": 1200.0})[key] * factor * wobble
        candidate.append(sample(f"candidate-{place}", quantities={key: value} | lacking))
    return Matched(base, candidate, paired=True)


def night(place, ack_ms, **changes):
    """The run of the n-th night, with a little noise, of a build of its own."""
    wobble = 1 + NOISE[place % len(NOISE)]
    return sample(
        f"202611{place + 1:02}T020000Z-chat",
        started_utc=f"2026-11-{place + 1:02}T02:00:00+00:00",
        labels={"build": f"b{place:02}"},
        quantities={"ack_delivered.p95": ack_ms * wobble},
        **changes,
    )
