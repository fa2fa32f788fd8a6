"""The experiment of a comparison: runs of two builds in pairs, interleaved, which can be broken off and resumed."""

from __future__ import annotations

import random
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from loadtest.analysis.compare import Terms
from loadtest.analysis.sample import PAIR
from loadtest.analysis.values import Verdict
from loadtest.errors import UsageError
from loadtest.experiment.build import started
from loadtest.experiment.kept import last_line, read, write_whole
from loadtest.experiment.run import Load, under_way
from loadtest.runs.folder import DATABASE, LATEST, SUMMARY

SCHEMA: Final = 1
STATE: Final = "ab.json"
ASIDE: Final = "aside"
"""Folder for runs that do not count: of pairs that were broken off or are invalid."""
TRIES: Final = 2
"""Times that a pair is run whose generator is not sound."""
_OVERHEAD_S: Final = 6.0
"""Of a run: start, replies still open at the end, and its numbers."""
_PATIENCE_S: Final = 120.0
"""How much longer than its run time and the wait for its last replies a run may take before it is broken off."""


class Side(StrEnum):
    """Which build a run is of; also its folder in the experiment's."""

    BASE = "base"
    CANDIDATE = "candidate"


class Build(Struct, frozen=True):
    """Where a build is: an address, or a command that starts it, or both."""

    url: str | None = None
    command: str | None = None


class Plan(Struct, frozen=True):
    """The experiment, as it was planned before its first run.

    Attributes:
        same: whether both sides are one build (A/A).
        base_first: of each pair, whether the base is run first.
        seed: of the first pair; each further one has the next.
        options: further command-line words of every run, without what may be secret.
        withheld: names of the options that may, whose values are kept nowhere.
    """

    base: Build
    candidate: Build
    same: bool
    base_first: list[bool]
    seed: int
    pause_s: float
    users: int
    spawn_rate: float
    run_time_s: float
    processes: int
    locustfile: str
    classes: list[str]
    options: list[str]
    ready_timeout_s: float
    withheld: list[str] = []
    reply_timeout_s: float = 30.0

    @property
    def pairs(self) -> int:
        return len(self.base_first)

    @property
    def pair_s(self) -> float:
        """Expected time of a pair."""
        return 2 * (self.run_time_s + self.pause_s + _OVERHEAD_S)

    def build(self, side: Side) -> Build:
        """Of a side."""
        return self.base if side is Side.BASE else self.candidate


class Done(Struct, frozen=True):
    """A pair that was run.

    Attributes:
        base, candidate: names of their run folders.
        valid: whether both runs are.
        reason: why not; empty where they are.
    """

    pair: int
    base: str
    candidate: str
    valid: bool
    reason: str = ""


class State(Struct, frozen=True):
    """`ab.json`: enough to go on where an experiment was broken off.

    Attributes:
        terms: by which it is judged, as last asked for.
        force: whether invalid runs count.
    """

    schema: int
    plan: Plan
    done: list[Done] = []
    terms: Terms = Terms()
    force: bool = False


class Told(Struct, frozen=True):
    """What is known after a pair.

    Attributes:
        ack_p95: ms, of base and candidate; None where withheld.
        left_s: expected until the end.
        again: why the pair is run again, or left out; empty where it counts.
    """

    pair: int
    pairs: int
    ack_p95: tuple[float | None, float | None]
    left_s: float
    again: str = ""


class _Metric(Struct):
    p95: float | None = None


class _Summary(Struct):
    verdict: Verdict
    metrics: dict[str, _Metric]


Progress = Callable[[Told], None]


def orders(pairs: int, seed: int) -> list[bool]:
    """Whether the base goes first, of each pair: in half of them, at random which."""
    first = [place % 2 == 0 for place in range(pairs)]
    random.Random(seed).shuffle(first)
    return first


def save(folder: Path, state: State) -> None:
    """Keep the state, whole: whoever reads finds the old one or the new one.

    Raises:
        RunFolderError: it cannot be written.
    """
    write_whole(folder / STATE, state)


def restore(folder: Path) -> State:
    """The state of an experiment.

    Raises:
        RunFolderError: there is none, it is damaged, or of a newer version.
    """
    return read(folder / STATE, State, SCHEMA, "an ab")


def carry_on(state: State, folder: Path, secrets: Mapping[str, str], progress: Progress, *, force: bool) -> State:
    """Run the pairs that are not done yet; the state is kept after each.

    A pair that was broken off is run again as a whole: what makes it a pair is that its runs are neighbours in time. So
    is, once, one of which a run is invalid; that is the generator's doing, whatever the build did.

    Args:
        folder: of the experiment.
        secrets: environment variables of the runs and of builds that are started.
        force: whether invalid runs count.

    Raises:
        UsageError: a build does not start or listen, or a run is refused.
    """
    began, before = time.monotonic(), len(state.done)
    for pair in range(1 + before, 1 + state.plan.pairs):
        for attempt in range(TRIES):
            _set_aside(folder, state.done)
            done = _pair(state.plan, pair, folder, secrets)
            done = msgspec.structs.replace(done, valid=done.valid or force)
            again = "" if done.valid else done.reason
            last = attempt == TRIES - 1
            if done.valid or last:
                state = msgspec.structs.replace(state, done=[*state.done, done])
                save(folder, state)
            spent = (time.monotonic() - began) / max(len(state.done) - before, 1)
            left = (state.plan.pairs - len(state.done)) * (spent if len(state.done) > before else state.plan.pair_s)
            acks = (_ack(folder, Side.BASE, done.base), _ack(folder, Side.CANDIDATE, done.candidate))
            words = f"{'left out' if last else 'run again'}: {again}" if again else ""
            progress(Told(pair, state.plan.pairs, acks, left, words))
            if done.valid:
                break
    return state


def runs(folder: Path, state: State) -> dict[Side, list[Path]]:
    """The run folders that count, by side."""
    counted = [done for done in state.done if done.valid]
    return {side: [folder / side / getattr(done, side) for done in counted] for side in Side}


def shortfall(folder: Path, state: State) -> list[str]:
    """In what the pairs that count fall short of the plan, in words."""
    left_out = [done for done in state.done if not done.valid]
    counted, waiting = len(state.done) - len(left_out), state.plan.pairs - len(state.done)
    words = [f"{counted} of {state.plan.pairs} planned pairs"]
    if left_out:
        words.append(f"{len(left_out)} left out: {left_out[0].reason or 'a run was invalid'}")
    if waiting:
        words.append(
            f"{waiting} not run: who looks before the end finds changes where there are none; go on with loadtest ab "
            f"--resume {shlex.quote(str(folder))}"
        )
    return ["; ".join(words)] if len(words) > 1 else []


def _pair(plan: Plan, pair: int, folder: Path, secrets: Mapping[str, str]) -> Done:
    order = (Side.BASE, Side.CANDIDATE) if plan.base_first[pair - 1] else (Side.CANDIDATE, Side.BASE)
    found, reasons = {}, []
    for side in order:
        found[side] = _run(plan, pair, side, folder, secrets)
        verdict = _summary(folder / side / found[side]).verdict
        if verdict.status == "invalid":
            reasons.append(f"{side} is invalid: {verdict.reasons[0]}")
        time.sleep(plan.pause_s)
    return Done(pair, found[Side.BASE], found[Side.CANDIDATE], not reasons, *reasons[:1])


def _run(plan: Plan, pair: int, side: Side, folder: Path, secrets: Mapping[str, str]) -> str:
    """One run; the name of its folder."""
    latest = folder / side / LATEST
    before = latest.resolve()
    with _at(plan, pair, side, folder, secrets) as url:
        load = _load(plan, pair, side, folder, url, secrets)
        console = folder / "logs" / f"{pair:02}-{side}-run.txt"
        with console.open("wb") as printed, under_way(load, printed) as process:
            try:
                code = process.wait(plan.run_time_s + plan.reply_timeout_s + _PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise UsageError(
                    f"{side}: a run did not end in time; it was broken off, and {console} says why"
                ) from None
    run = latest.resolve()
    if code == UsageError.exit_code or run == before or not (run / SUMMARY).is_file():
        raise UsageError(f"{side}: {last_line(console)}")
    return run.name


@contextmanager
def _at(plan: Plan, pair: int, side: Side, folder: Path, secrets: Mapping[str, str]) -> Iterator[str]:
    """The address of a build, which is started if it has a command."""
    build = plan.build(side)
    if build.command is None:
        assert build.url is not None
        yield build.url
        return
    log = folder / "logs" / f"{pair:02}-{side}-build.txt"
    option = f"--{Side.BASE if plan.same else side}-command"
    with started(option, build.command, build.url, secrets, log, plan.ready_timeout_s) as url:
        yield url


def _load(plan: Plan, pair: int, side: Side, folder: Path, url: str, secrets: Mapping[str, str]) -> Load:
    own = (
        f"--results={folder / side}",
        f"--seed={plan.seed + pair - 1}",
        f"--label={PAIR}={pair}",
        f"--label=side={side}",
    )
    return Load(
        host=url,
        users=plan.users,
        spawn_rate=plan.spawn_rate,
        run_time=plan.run_time_s,
        processes=plan.processes,
        locustfile=plan.locustfile,
        classes=plan.classes,
        options=[*plan.options, *own],
        secrets=secrets,
    )


def _set_aside(folder: Path, done: Sequence[Done]) -> None:
    """Move the runs that belong to no pair that was done; nothing is deleted."""
    for side in Side:
        kept = {getattr(each, side) for each in done}
        (folder / side).mkdir(exist_ok=True)
        (folder / "logs").mkdir(exist_ok=True)
        for run in sorted((folder / side).iterdir()):
            if run.is_dir() and not run.is_symlink() and run.name not in kept and (run / DATABASE).is_file():
                (folder / ASIDE / side).mkdir(parents=True, exist_ok=True)
                shutil.move(run, _free(folder / ASIDE / side / run.name))
        latest = folder / side / LATEST
        if latest.is_symlink() and not latest.exists():
            latest.unlink()


def _free(path: Path) -> Path:
    """A name that nothing has yet."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _summary(run: Path) -> _Summary:
    try:
        return msgspec.json.decode((run / SUMMARY).read_bytes(), type=_Summary)
    except (OSError, msgspec.MsgspecError):
        raise UsageError(f"{run}: left no summary; the file beside it says why") from None


def _ack(folder: Path, side: Side, run: str) -> float | None:
    return _summary(folder / side / run).metrics.get("ack_delivered", _Metric()).p95
