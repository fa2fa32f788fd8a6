"""How many users a server holds: what a level says, and what all levels of a search say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from loadtest.analysis.capacity_search import Bracket, End, Tried, Word, bracket
from loadtest.analysis.drift import IN_FLIGHT, Drift, Stationarity
from loadtest.analysis.generator import Generator
from loadtest.analysis.server import Server
from loadtest.analysis.slo.values import Decision, Objectives, Result
from loadtest.analysis.values import Counts, MetricSummary, Verdict
from loadtest.model import NO_FILE, NO_PORT, StreamState
from loadtest.objectives import BY_MESSAGE, MAX

SCHEMA: Final = 1
REJECTED: Final = 0.01
"""Share of messages that the rate limit may reject; beyond it, the search would measure the limiter."""
NO_ANSWER: Final = tuple(set(StreamState) - {StreamState.COMPLETED, StreamState.NOT_EXPECTED})
"""Ends of an answer that was expected and is of no use."""
LITTLE: Final = 0.1
"""By how much the messages in flight may differ from rate times time before that is worth a word."""


class Window(Struct, frozen=True):
    """What is read of the steady window."""

    start_s: float
    stop_s: float


class LevelRun(Struct, frozen=True):
    """What is read of the facts of a level's run."""

    users: int | None
    window: Window


class LevelSummary(Struct, frozen=True):
    """What is read of the `summary.json` of a level's run; see `values.Summary`."""

    run: LevelRun
    verdict: Verdict
    counts: Counts
    steady: Counts
    metrics: dict[str, MetricSummary]
    generator: Generator
    drift: Drift
    objectives: Objectives | None = None
    server: Server | None = None
    connect_failures: dict[str, int] = {}
    login_failures: dict[str, int] = {}


class Level(Struct, frozen=True):
    """One level, as it is kept in `capacity.json`.

    Attributes:
        run: name of its run folder.
        times: its first length that it was measured.
        verdict: see `capacity_search.Word`.
        reason: why it did not pass; empty where it did.
        decisive: the objective that it failed by; null where it did not, or failed by what no objective asks for.
        sent_per_s: messages intended in the steady window, a second of it.
        delivered_per_s: of these, what was delivered.
        streams: open messages and answers by Little's law: delivered a second times the mean time from sent to the
            last of it.
        in_flight: the same as counted; null where there were too few messages.
        in_flight_per_s: growth of those.
        lost: messages lost, timed out or failed, over the whole run.
        generator_cpu: of one core, the busiest process.
        connected: users connected, mean of the window.
        answer_s: mean time to the completion of an answer; what the next level settles by.
        full: resources of the server that were full, in words.
        objectives: what it says to each.
        measured_s: length of its steady window; null in files of older versions.
    """

    users: int
    run: str
    verdict: Word
    reason: str
    decisive: str | None
    sent_per_s: float | None
    delivered_per_s: float | None
    streams: float | None
    in_flight: float | None
    in_flight_per_s: float | None
    lost: int
    generator_cpu: float | None
    connected: float | None
    answer_s: float | None
    full: list[str]
    objectives: list[Result]
    times: float = 1.0
    measured_s: float | None = None

    @property
    def settled_by(self) -> float | None:
        """Times its length that would settle what it could not tell, about.

        None where it could, where no length would, and beside a count or a maximum: those are harder to keep the longer
        a level is, so that it would be held to more than the others.
        """
        if self.verdict is not Word.INCONCLUSIVE or any(_grows(each) for each in self.objectives):
            return None
        unsure = [each for each in self.objectives if each.verdict is Decision.INCONCLUSIVE]
        wanted = [
            each.needed / each.samples for each in unsure if each.metric in BY_MESSAGE and each.needed and each.samples
        ]
        return max(wanted) if wanted and len(wanted) == len(unsure) else None

    @property
    def user_per_s(self) -> float | None:
        """Messages that one user meant to send a second; None where none was."""
        return self.sent_per_s / self.users if self.sent_per_s else None


class Capacity(Struct, frozen=True, kw_only=True):
    """What a search has found, and the levels that it rests on.

    Attributes:
        max_users: most users of a level that passed; null where none did, or where the generator was the limit before
            any level failed: then it is not known.
        fails_at_users: fewest users of a level that failed; null without one.
        passes_at_users: the highest level that passed, whatever limits it.
        max_messages_per_s: delivered a second at the level of `max_users`.
        limited_by: what the limit was, in words that begin with `server`, `objective`, `generator` or an option; null
            where the search was broken off before it found one.
        knee_users: where throughput over latency is largest (L. Kleinrock, "Power and deterministic rules of thumb for
            probabilistic problems in computer communications", ICC 1979): a description, no limit.
        ended: why the search ended: a value of `capacity_search.End`, or the option that limited it; null while it goes
            on, or was broken off.
        stopped: what stopped it before its end, in one line; empty where nothing did.
        levels: in the order in which they were run.
    """

    schema: int = SCHEMA
    max_users: int | None
    fails_at_users: int | None
    passes_at_users: int | None
    max_messages_per_s: float | None
    limited_by: str | None
    knee_users: int | None
    ended: str | None
    stopped: str
    levels: list[Level]

    @property
    def objectives(self) -> list[str]:
        """What every level was held to."""
        return [each.objective for each in self.levels[0].objectives] if self.levels else []


def level(summary: LevelSummary, users: int, run: str, times: float = 1.0) -> Level:
    """Judge one level by its run, which was measured so many times as long as the first of so many users."""
    seconds = summary.run.window.stop_s - summary.run.window.start_s
    sent, delivered = (_per_second(summary.steady.get(name), seconds) for name in ("sent", "delivered"))
    time_ms = _mean(summary.metrics, "stream_completion") or _mean(summary.metrics, "ack_delivered")
    word, reason, decisive = _judge(summary)
    return Level(
        users=users,
        run=run,
        verdict=word,
        reason=reason,
        decisive=decisive,
        sent_per_s=sent,
        delivered_per_s=delivered,
        streams=None if delivered is None or time_ms is None else round(delivered * time_ms / 1e3, 1),
        in_flight=_in_flight(summary.drift),
        in_flight_per_s=summary.drift.in_flight_per_s,
        lost=sum(summary.counts.get(name) or 0 for name in ("lost", "timeout", "error")),
        generator_cpu=max((p.cpu_share for p in summary.generator.processes if p.cpu_share is not None), default=None),
        connected=summary.generator.connections,
        answer_s=None if time_ms is None else round(time_ms / 1e3, 3),
        full=summary.server.full if summary.server else [],
        objectives=list(summary.objectives.results) if summary.objectives else [],
        times=times,
        measured_s=seconds,
    )


def _grows(result: Result) -> bool:
    return result.unit == "count" or result.statistic == MAX


def beyond_the_limiter(summary: LevelSummary) -> float | None:
    """The share of messages that the rate limit rejected, where they are so many that the limiter is measured."""
    sent, rejected = summary.counts.get("sent") or 0, summary.counts.get("rejected") or 0
    return rejected / sent if sent and rejected / sent > REJECTED else None


def capacity(levels: Sequence[Level], ended: str | None = None, stopped: str = "") -> Capacity:
    """What the levels say together; see `Capacity` for the arguments."""
    known = bracket(tried(levels))
    passed = next((each for each in reversed(levels) if each.users == known.passes and each.verdict is Word.PASS), None)
    unknown = ended == End.GENERATOR
    return Capacity(
        max_users=None if unknown else known.passes,
        fails_at_users=known.fails,
        passes_at_users=known.passes,
        max_messages_per_s=None if passed is None or unknown else passed.delivered_per_s,
        limited_by=_limit(levels, known, ended),
        knee_users=knee(levels),
        ended=ended,
        stopped=stopped,
        levels=list(levels),
    )


def tried(levels: Iterable[Level]) -> list[Tried]:
    """What the strategy looks at."""
    return [Tried(each.users, each.verdict, each.times, each.settled_by) for each in levels]


def spoken(levels: Sequence[Level]) -> list[Level]:
    """The levels that say something: of each number of users the sound ones measured the longest, in their order."""
    most: dict[int, tuple[bool, float]] = {}
    for each in levels:
        most[each.users] = max(most.get(each.users, (False, 0.0)), _rank(each))
    return [each for each in levels if _rank(each) == most[each.users]]


def _rank(each: Level) -> tuple[bool, float]:
    return each.verdict is not Word.UNSOUND, each.times


def knee(levels: Sequence[Level]) -> int | None:
    """The users at which throughput over latency is largest; None where that is at an end of what was tried."""
    powers = {
        each.users: each.delivered_per_s / latency
        for each in sorted(levels, key=lambda each: each.users)
        if each.delivered_per_s and (latency := _latency(each))
    }
    best = max(powers, key=lambda users: powers[users], default=None)
    return best if best is not None and best not in (min(powers), max(powers)) else None


def differs_from_little(each: Level) -> bool:
    """Whether the messages in flight are not what rate times time makes of them, though the level passed."""
    if each.verdict is not Word.PASS or not each.streams or each.in_flight is None:
        return False
    return abs(each.in_flight - each.streams) > max(LITTLE * each.streams, 2.0)


class _Judged(NamedTuple):
    """See the fields of `Level`."""

    verdict: Word
    reason: str = ""
    decisive: str | None = None


def _judge(summary: LevelSummary) -> _Judged:
    if summary.verdict.status == "invalid":
        return _Judged(Word.UNSOUND, (summary.verdict.reasons or ["the generator cannot vouch for it"])[0])
    own = summary.generator
    if own.too_few_connected:
        reason = f"only {own.connections:,.0f} of {own.connections_asked:,} users were connected"
        cause = _not_of_the_server(summary)
        return _Judged(Word.UNSOUND, f"{reason}: {cause}") if cause else _Judged(Word.FAIL, reason)
    if summary.drift.status is Stationarity.SATURATED:
        return _Judged(Word.FAIL, f"in-flight grows {summary.drift.in_flight_per_s or 0:.3g}/s")
    if reason := _unanswered(summary):
        return _Judged(Word.FAIL, reason)
    if summary.objectives is None:
        return _Judged(Word.INCONCLUSIVE, "no objective was judged")
    return _by_objectives(summary.objectives)


def _not_of_the_server(summary: LevelSummary) -> str:
    """What kept users from connecting, where most of it never reached the server; else empty."""
    failed = summary.connect_failures
    own = {name: number for name in (NO_PORT, NO_FILE) if (number := failed.get(name))}
    own |= {f"login {name}": number for name, number in summary.login_failures.items()}
    if 2 * sum(own.values()) <= sum(failed.values()) + sum(summary.login_failures.values()):
        return ""
    return ", ".join(f"{number:,} x {name}" for name, number in own.items())


def _unanswered(summary: LevelSummary) -> str:
    """Where an objective has nothing to be judged by, what the server did not answer at all; else empty."""
    if not any(each.unmeasured for each in (summary.objectives.results if summary.objectives else ())):
        return ""
    of = {name: number or 0 for name, number in summary.steady.items()}
    if of.get("sent") and not of.get("delivered"):
        return f"none of {of['sent']:,} messages was delivered"
    ended = sum(of.get(f"streams_{state}", 0) for state in NO_ANSWER)
    return f"none of {ended:,} answers was completed" if ended and not of.get("streams_completed") else ""


def _by_objectives(asked: Objectives) -> _Judged:
    missed = next((each.objective for each in asked.results if each.verdict is Decision.FAIL), None)
    if missed is not None:
        return _Judged(Word.FAIL, missed, missed)
    if asked.aborted:  # by the reverse of an objective
        of = next((each.objective for each in asked.results if asked.aborted.startswith(f"{each.name} ")), None)
        return _Judged(Word.FAIL, f"aborted: {asked.aborted}", of)
    unsure = next((each for each in asked.results if each.verdict is Decision.INCONCLUSIVE), None)
    if unsure is not None:
        more = f"; about {unsure.needed:,} messages would settle it" if unsure.needed else ""
        return _Judged(Word.INCONCLUSIVE, f"{unsure.objective}{more}")
    return _Judged(Word.PASS)


def _limit(levels: Sequence[Level], known: Bracket, ended: str | None) -> str | None:
    if ended == End.GENERATOR:
        return f"generator: {levels[-1].reason.partition('; ')[0]}"  # its remedy is told with the level
    failed = [each for each in levels if each.users == known.fails and each.verdict is Word.FAIL]
    if failed:
        each = failed[0]
        if each.full:
            return f"server: {', '.join(each.full)}"
        return f"objective: {each.decisive}" if each.decisive else f"server: {each.reason}"
    return "--max-users" if ended == End.MOST else ended if ended is not None and ended.startswith("--") else None


def _latency(each: Level) -> float | None:
    """ms, of the first objective that has one."""
    return next((result.value for result in each.objectives if result.unit == "ms" and result.value), None)


def _in_flight(found: Drift) -> float | None:
    return next((round((t.start + t.end) / 2, 1) for t in found.trends if t.key == IN_FLIGHT), None)


def _mean(metrics: dict[str, MetricSummary], key: str) -> float | None:
    return metrics[key].mean if key in metrics else None


def _per_second(count: int | None, seconds: float) -> float | None:
    return round(count / seconds, 2) if count is not None and seconds > 0 else None
