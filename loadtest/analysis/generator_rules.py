"""Rules on the generator and on the run: was it the server that was measured, and in a state that lasted?

A run that is called valid has no error of p99 (ack or first token) above max(1 ms, 1 %). Two rules carry that promise
by arithmetic: `send_lag` on the side of sending and `stamp_bound` on the side of receiving; `benchmarks/accuracy`
holds both against the reference server's own log. The other rules name the cause, and catch what those two cannot see:
a generator that is too slow to make the load that was asked for.
"""

from __future__ import annotations

from typing import Final

from loadtest.analysis.drift import Stationarity
from loadtest.analysis.finding import Evidence, Finding, Rule, Status
from loadtest.analysis.promise import allowed_ms
from loadtest.analysis.samples import REPLIES
from loadtest.analysis.values import Metrics, MetricSummary
from loadtest.metrics import BY_KEY

LOOP_LAG_MS: Final = {Status.SUSPECT: 10.0, Status.INVALID: 20.0}
"""p99 of the event loop's lag. 10 ms is what inference-perf asks of its median schedule delay (docs/loadgen.md); from
20 ms on, 1 % of all that the generator does comes too late by more than any latency of a loopback server."""
RECEIVE_LAG_MS: Final = {Status.SUSPECT: 20.0, Status.INVALID: 100.0}
"""p99 from kernel to callback. It is in no latency, but bytes that wait in a full socket buffer hold the server back:
Linux starts with 128 KiB (tcp(7), tcp_rmem), which streams of 1 MB/s to one client fill in 130 ms."""
CPU_SHARE: Final = 0.9
"""Of one core, over the whole window: where Locust warns, too (locust/runners.py, CPU_WARNING_THRESHOLD)."""
GC_SHARE: Final = 0.05
"""Of the time: one second in twenty in which a process does nothing else."""
ACHIEVED: Final = 0.98
"""Share of what the schedules wanted that was done; 1 to 2 % is what inference-perf tolerates."""
STEAL_SHARE: Final = {Status.VALID: 0.002, Status.SUSPECT: 0.05}
"""What a hypervisor withholds: from so much on it is named beside a generator that was late, and suspect by itself. A
fifth of the 1 % that a p99 hangs on, and one second in twenty."""
THROTTLED_SHARE: Final = STEAL_SHARE
"""Of the time that a container's CPU limit kept a process standing still: it is as late by that."""
SILENCE_S: Final = 10.0
"""Between two reports of a process: three of Locust's report intervals (locust/runners.py, WORKER_REPORT_INTERVAL)."""

_REMEDY: Final = "use --processes, fewer users, or a machine with less to do"
_JUDGED: Final = ("p99", "p95", "p90", "p50")
"""The highest of these that has enough samples is judged."""


def send_lag(evidence: Evidence) -> Finding | None:
    """Where the same percentile differs by where it counts from, the generator's lateness is in the load."""
    return _apart(
        evidence,
        evidence.replies,
        evidence.from_intended,
        "the load generator sent late: {label} {name} is {low} from sent, {high} from intended",
    )


def stamp_bound(evidence: Evidence) -> Finding | None:
    """Where a percentile could be that much smaller, receive times are too uncertain to tell it."""
    return _apart(
        evidence,
        evidence.shortest,
        evidence.replies,
        "the load generator read its sockets late: {label} {name} is only known to lie within {low} to {high}",
    )


def _apart(evidence: Evidence, smaller: Metrics, larger: Metrics, words: str) -> Finding | None:
    for key in REPLIES:
        low, high = smaller[key], larger[key]
        name = next((name for name in _JUDGED if _both(low, high, name)), None)
        if name is None:
            continue
        least, most = getattr(low, name), getattr(high, name)
        if most - least > allowed_ms(least):
            told = words.format(label=BY_KEY[key].label, name=name, low=f"{least:.1f} ms", high=f"{most:.1f} ms")
            return Finding(Status.INVALID, told + _withheld(evidence), _remedy(evidence))
    return None


def _both(one: MetricSummary, other: MetricSummary, name: str) -> bool:
    return getattr(one, name) is not None and getattr(other, name) is not None


def loop_lag(evidence: Evidence) -> Finding | None:
    return _too_long(evidence, "loop_lag_p99_ms", LOOP_LAG_MS, "loop lag")


def too_short(evidence: Evidence) -> Finding | None:
    """A window of fewer ticks than a p99 needs: its longest lag is no p99, but a long one leaves the run in doubt."""
    short = [health for health in evidence.generator.processes if health.loop_lag_p99_ms is None]
    longest = max((health.loop_lag_max_ms or 0.0 for health in short), default=0.0)
    if longest <= LOOP_LAG_MS[Status.INVALID]:
        return None
    reason = f"too short to judge the load generator: its loop lagged by up to {longest:.0f} ms"
    return Finding(Status.SUSPECT, reason, "measure for 4 s and more")


def receive_lag(evidence: Evidence) -> Finding | None:
    return _too_long(evidence, "receive_lag_p99_ms", RECEIVE_LAG_MS, "receive lag")


def _too_long(evidence: Evidence, name: str, limits: dict[Status, float], label: str) -> Finding | None:
    worst = evidence.generator.worst(name)
    if worst is None:
        return None
    process, value = worst
    for status, words in ((Status.INVALID, "was the limit"), (Status.SUSPECT, "was near its limit")):
        if value > limits[status]:
            reason = f"the load generator{_who(evidence, process)} {words}: {label} p99 {value:.0f} ms"
            return Finding(status, reason + _withheld(evidence, process), _remedy(evidence, process))
    return None


def cpu(evidence: Evidence) -> Finding | None:
    worst = evidence.generator.worst("cpu_share")
    if worst is None or worst[1] <= CPU_SHARE:
        return None
    reason = f"the load generator{_who(evidence, worst[0])} was near its limit: cpu {100 * worst[1]:.0f} % of a core"
    return Finding(Status.SUSPECT, reason + _withheld(evidence, worst[0]), _remedy(evidence, worst[0]))


def steal(evidence: Evidence) -> Finding | None:
    worst = evidence.generator.worst("steal_share")
    if worst is None or worst[1] <= STEAL_SHARE[Status.SUSPECT]:
        return None
    reason = f"the hypervisor withheld {100 * worst[1]:.0f} % of the processors' time (steal)"
    return Finding(Status.SUSPECT, reason, "use a machine that is not shared")


def throttled(evidence: Evidence) -> Finding | None:
    worst = evidence.generator.worst("throttled_share")
    if worst is None or worst[1] <= THROTTLED_SHARE[Status.SUSPECT]:
        return None
    process, share = worst
    reason = f"its container's CPU limit held the load generator{_who(evidence, process)} back for {_of_time(share)}"
    return Finding(Status.SUSPECT, reason, _remedy(evidence, process))


def _withheld(evidence: Evidence, process: str | None = None) -> str:
    """What others kept from a generator that was late.

    Args:
        process: that was; None where that is not known.
    """
    stolen, held_back = evidence.generator.worst("steal_share"), _held_back(evidence, process)
    told = ""
    if stolen is not None and stolen[1] > STEAL_SHARE[Status.VALID]:
        told += f", while the hypervisor withheld {100 * stolen[1]:.1f} % of the processors' time (steal)"
    if held_back > THROTTLED_SHARE[Status.VALID]:
        told += f", while its container's CPU limit held it back for {_of_time(held_back)}"
    return told


def _held_back(evidence: Evidence, process: str | None) -> float:
    """The share of the time, of one process or of the worst."""
    shares = [each.throttled_share or 0.0 for each in evidence.generator.processes if process in (None, each.process)]
    return max(shares, default=0.0)


def _of_time(share: float) -> str:
    return f"{100 * share:.1f} % of the time (throttling)"


def _remedy(evidence: Evidence, process: str | None = None) -> str:
    if _held_back(evidence, process) > THROTTLED_SHARE[Status.VALID]:
        return "raise that limit, or use fewer users"  # more processes would share the same quota
    return _REMEDY


def collections(evidence: Evidence) -> Finding | None:
    worst = evidence.generator.worst("gc_share")
    if worst is None or worst[1] <= GC_SHARE:
        return None
    reason = f"the load generator{_who(evidence, worst[0])} collected garbage for {100 * worst[1]:.0f} % of the time"
    return Finding(Status.SUSPECT, reason, _REMEDY)


def achieved(evidence: Evidence) -> Finding | None:
    ratio = evidence.generator.achieved_ratio
    if ratio is None or ratio >= ACHIEVED:
        return None
    reason = f"the load generator made only {100 * ratio:.1f} % of the load that was asked for"
    return Finding(Status.INVALID, reason + _withheld(evidence), _remedy(evidence))


def late_reports(evidence: Evidence) -> Finding | None:
    silence = evidence.generator.longest_silence_s
    if silence <= SILENCE_S:
        return None
    reason = f"reports came late, once after {silence:.0f} s of silence"
    return Finding(Status.SUSPECT, reason, "use fewer users a process, or a faster network")


def too_few_connected(evidence: Evidence) -> Finding | None:
    own = evidence.generator
    if not own.too_few_connected:
        return None
    reason = (
        f"of {own.connections_asked:,} users, {own.connections:,.0f} were connected in the mean: the load was less "
        "than asked for"
    )
    return Finding(Status.SUSPECT, reason, "look at failed connects and disconnects")


def not_stationary(evidence: Evidence) -> Finding | None:
    found = evidence.drift
    if found.status not in (Stationarity.DRIFTING, Stationarity.SATURATED):
        return None
    moved = max(found.moved, key=lambda trend: abs(trend.share))
    change = f"{BY_KEY[moved.key].label} p50 went from {max(moved.start, 0):.1f} to {max(moved.end, 0):.1f} ms"
    if found.status is Stationarity.SATURATED:
        reason = f"the server was saturated: messages in flight grew by {found.in_flight_per_s:.1f}/s, {change}"
        return Finding(Status.SUSPECT, reason, "percentiles depend on how long the run lasted: use fewer users")
    return Finding(
        Status.SUSPECT,
        f"the run drifted: {change}",
        "percentiles depend on how long it lasted: lengthen --warmup and --run-time, and look at timeline.png",
    )


def _who(evidence: Evidence, process: str) -> str:
    return f" ({process})" if len(evidence.generator.processes) > 1 else ""


GENERATOR_RULES: Final[tuple[Rule, ...]] = (
    achieved,
    loop_lag,
    too_short,
    receive_lag,
    send_lag,
    stamp_bound,
    cpu,
    steal,
    throttled,
    collections,
    late_reports,
    not_stationary,
    too_few_connected,
)
"""The cause before its effect: who is told that the loop was blocked needs no riddle about stamps first."""
