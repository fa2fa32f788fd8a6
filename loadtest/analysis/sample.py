"""One run as a single sample: its quantities, and the facts in which it must be like another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from loadtest.analysis.measured import Measured
from loadtest.analysis.values import MetricSummary, Run, Summary
from loadtest.metrics import BY_KEY, Better
from loadtest.model import StreamState
from loadtest.settings import settings

PAIR: Final = "pair"
"""Label that makes a run of either side a pair with the one of the other side."""
COMPARED: Final = ("p50", "p95", "p99")
RATIOS: Final = ("delivered_ratio", "stream_complete_ratio")
"""Shares of the headline messages of the steady window, between 0 and 1."""
OF_GENERATOR: Final = ("send_lag", "receive_lag", "loop_lag", "stamp_bound", "gap_bound")
"""Metrics of the generator, which say nothing of a build."""
NO_WORKLOAD: Final = frozenset(
    {
        *("results", "label", "seed", "slo", "abort_on", "prometheus_port", "llm_log", "server_pid", "server_metrics"),
        *("tokens_file", "users_file", "jwt_key", "jwt_key_id", "login_url", "refresh_url"),
        *("ca_file", "client_cert", "client_key", "insecure", "connect_to"),
    }
)
"""Options that change nothing that a server would see."""
OF_MACHINE: Final = frozenset(
    f"generator's {name}"
    for name in ("node", "system", "python", "locust", "gevent", "websockets", "msgspec", "PyJWT", "numpy")
)
"""In what machines of one kind differ, as runners of continuous integration do: name, release of the kernel, and
versions of Python and of the libraries."""
LEAST: Final = 1e-4
"""Where logarithms are taken, a share of nothing counts as one in ten thousand: there is none of zero."""
_SAME_LENGTH: Final = 0.03
"""Measured times that differ by less are alike: a run ends within a second of its time."""


class Quantity(Struct, frozen=True):
    """What is compared: a percentile of a metric, or a ratio.

    Attributes:
        key: as in `ack_delivered.p95`.
        label: for people.
        unit: `ms`, `chars/s`, or empty for a ratio.
        better: which way is good.
        metric: its key; that of a ratio is the ratio's.
    """

    key: str
    label: str
    unit: str
    better: Better
    metric: str


def quantity(key: str) -> Quantity | None:
    """The quantity of a key; None where there is none that can be compared."""
    if key in RATIOS:
        return Quantity(key, key.replace("_", " "), "", Better.HIGHER, key)
    name, _, percentile = key.partition(".")
    if name in OF_GENERATOR or name not in BY_KEY or percentile not in COMPARED:
        return None
    metric = BY_KEY[name]
    if metric.better is Better.NEITHER or (metric.better is Better.HIGHER and percentile != "p50"):
        return None  # a high percentile of what should be high is the best that happened, no warning
    return Quantity(key, f"{metric.label} {percentile}", metric.unit, metric.better, name)


QUANTITIES: Final = {
    key: found
    for key in (*(f"{name}.{percentile}" for name in BY_KEY for percentile in COMPARED), *RATIOS)
    if (found := quantity(key))
}
"""All that can be compared, in the order of every table."""


class Sample(Struct, frozen=True):
    """One run.

    Attributes:
        folder: its name.
        started_utc: ISO 8601.
        status: its verdict's.
        reasons: its verdict's.
        quantities: by key, in the quantity's unit; those that it has.
        silent: keys of those that lie among the unanswered: the value is the reply timeout, the least it can be.
        chars: mean length of completed answers, code points; None without any.
        messages: that each ratio is a share of, by its key.
        seconds: measured.
        workload: what the run put on the server, by name.
        generator: what it was made with, by name.
    """

    folder: str
    started_utc: str
    status: str
    reasons: list[str]
    labels: dict[str, str]
    seed: int
    quantities: dict[str, float]
    silent: list[str]
    chars: float | None
    messages: dict[str, int]
    seconds: float
    workload: dict[str, str]
    generator: dict[str, str]

    def log(self, key: str) -> float:
        """Logarithm of a quantity that the run has."""
        return logarithm(self.quantities[key])


def logarithm(value: float) -> float:
    """Of a quantity, where it is 0 as of `LEAST`."""
    return math.log(value or LEAST)


def sample(summary: Summary, chars: float | None = None) -> Sample:
    """A run as a sample.

    Args:
        chars: see `mean_answer`.
    """
    run = summary.run
    found, silent = _percentiles(summary)
    of_messages = shares(summary)
    limit = f"{run.limit_messages}/{run.limit_window_s:g}s" if run.limit_messages and run.limit_window_s else "none"
    return Sample(
        folder=run.folder,
        started_utc=run.started_utc,
        status=summary.verdict.status,
        reasons=summary.verdict.reasons,
        labels=run.labels,
        seed=run.seed,
        quantities=found | {key: part / whole for key, (part, whole) in of_messages.items()},
        silent=silent,
        chars=chars,
        messages={key: whole for key, (_, whole) in of_messages.items()},
        seconds=run.window.seconds,
        workload={
            "scenario": run.scenario,
            "users": str(run.users),
            "rate limit": limit,
            **{f"--{_name(key)}": str(value) for key, value in _options(run).items() if key not in NO_WORKLOAD},
            "user classes": ", ".join(sorted(summary.by_class)),
        },
        generator={
            "processes": str(run.processes),
            "receive clock": run.receive_clock,
            "tool version": run.tool_version,
            **{f"generator's {key}": str(value) for key, value in run.generator.items()},
        },
    )


def shares(summary: Summary) -> dict[str, tuple[int, int]]:
    """The part and the whole of each of `RATIOS`, messages: those delivered of all of the headline, and of these, those
    whose answer was completed."""
    sent, delivered = _answered(summary.metrics["ack_delivered"])
    answers, completed = _answered(summary.metrics["stream_completion"])
    found = {"delivered_ratio": (delivered, sent), "stream_complete_ratio": (completed, delivered if answers else 0)}
    return {key: (part, whole) for key, (part, whole) in found.items() if whole}


def mean_answer(measured: Measured) -> float | None:
    """Mean length of the completed answers to headline messages of the steady window, code points."""
    messages = measured.records.messages
    completed = measured.headline & messages.stream_state.is_in(StreamState.COMPLETED)
    return float(messages.chars[completed].mean()) if completed.any() else None


def unlike(one: Sample, other: Sample, *, generator: bool = True, machine: bool = True) -> list[str]:
    """In what two runs differ that ought not to, in words; a seed is not asked for.

    Args:
        generator: whether that is looked at too.
        machine: whether it has to be the same machine of its kind.
    """
    found = _differing(one.workload, other.workload)
    if generator:
        mine, theirs = (
            {name: value for name, value in run.generator.items() if machine or name not in OF_MACHINE}
            for run in (one, other)
        )
        found += _differing(mine, theirs)
    if abs(one.seconds - other.seconds) > max(1.0, _SAME_LENGTH * max(one.seconds, other.seconds)):
        found.append(f"measured time {one.seconds:.0f} s and {other.seconds:.0f} s")
    return found


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys((*one, *other))
    return [
        f"{name} {one.get(name) or 'none'} and {other.get(name) or 'none'}"
        for name in names
        if one.get(name) != other.get(name)
    ]


def _percentiles(summary: Summary) -> tuple[dict[str, float], list[str]]:
    found, silent = {}, []
    for key, what in QUANTITIES.items():
        name, _, percentile = key.partition(".")
        metric: MetricSummary | None = summary.metrics.get(name)
        if metric is None or what.metric in RATIOS:
            continue
        value: float | None = getattr(metric, percentile)
        if percentile in metric.beyond:
            value = 1e3 * summary.run.reply_timeout_s
            silent.append(key)
        if value is not None and value > 0:
            found[key] = value
    return found, silent


def _answered(metric: MetricSummary) -> tuple[int, int]:
    return metric.count, metric.count - metric.unanswered


def _options(run: Run) -> dict[str, str | int | float | bool | None]:
    """As in force: an option that the run's version did not have yet was at what is its default now."""
    return _defaults() | run.options


@cache
def _defaults() -> dict[str, str | int | float | bool | None]:
    return settings({}).public()


def _name(attribute: str) -> str:
    return attribute.replace("_", "-")
