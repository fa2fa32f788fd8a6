"""`loadtest capacity`: how many users a server holds, and what limits it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource
from msgspec.structs import replace

from loadtest.analysis.capacity_search import End, Step
from loadtest.errors import NothingMeasured, UsageError
from loadtest.objectives import demanded
from loadtest.settings import (
    OPTIONS,
    Settings,
    duration,
    one_of,
    positive_duration,
    positive_int,
    settings,
    ws_url,
)

from .config import config_option, without_overridden
from .interrupt import one_interrupt
from .options import Parsed, by_environment, options_of, withheld
from .resume import ADDRESSES, GIVEN_AGAIN, attributes, check_given_again, refuse_plan_options
from .run import check_run, passed_on, processes_of, run_command
from .summarize import Format
from .terms import positive_share

if TYPE_CHECKING:
    from loadtest.experiment.capacity import Begun, Record, Told
    from loadtest.experiment.capacity_plan import Plan

PICTURES: Final = ("capacity.png", "capacity.svg")
SPAWN_RATE: Final = 200.0
"""Users started a second, unless told otherwise: every tested server took so many connections."""
RESUMABLE: Final = GIVEN_AGAIN | {"max_time", "config"}
"""What may be given with --resume: all else is in the plan."""
OWN: Final = frozenset({"results", "seed", "first_user", "slo", "abort_on", "warmup"})
"""Options of a run that the search gives its levels itself."""
OF_A_LEVEL: Final = {
    "warmup": ("--warmup", "each level has its own; say how long it settles with --settle"),
    "abort_on": ("--abort-on", "a level ends once an objective of --slo has failed"),
}
"""Options of a run that mean nothing to a search, and why: refused, but left out of a file that is of runs as well."""
PLAIN: Final = ("chat", "WithinLimitUser")
"""Our own locustfile, and its class that a search takes where none is named: users who only chat."""
BEYOND: Final = "AboveLimitUser"
SERVER_PID: Final = "LOADTEST_SERVER_PID"
"""In the environment, since the plan outlives the process."""
SERVER_METRICS: Final = "server-metrics"
MISSED: Final = 1


@click.command("capacity")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST",
              help="Address of the backend; without it the reference server is started.")  # fmt: skip
@click.option("--start-users", type=Parsed(positive_int, "NUMBER"),
              help="Users of the first level [default: 100, or so many that there are enough messages].")  # fmt: skip
@click.option("--max-users", type=Parsed(positive_int, "NUMBER"), help="Most users to try [default: any number].")
@click.option("--precision", type=Parsed(positive_share, "SHARE"), default="10%", show_default=True,
              help="Width of the bracket, as a share of its lower end, at which it is narrow enough.")  # fmt: skip
@click.option("--settle", type=Parsed(duration, "TIME"), default="10s", show_default=True,
              help="Time of each level before it is measured; two answers long at least.")  # fmt: skip
@click.option("-t", "--run-time", type=Parsed(positive_duration, "TIME"), default="20s", show_default=True,
              help="Measured time of each level; up to three times as long where users are few, up to ten "
                   "times where fewer than the first are tried, or a level is run again to be told.")  # fmt: skip
@click.option("--max-time", type=Parsed(positive_duration, "TIME"), default="8m", show_default=True,
              help="Longest time of the whole search.")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Go on with a search that was broken off.")  # fmt: skip
@click.option("-r", "--spawn-rate", type=float, help="Users started a second [default: 200].")
@click.option("--processes", type=Parsed(processes_of, "NUMBER"), default="0", show_default=True,
              envvar="LOADTEST_PROCESSES",
              help="Worker processes; 0 for one process that does all, -1 for one a core.")  # fmt: skip
@click.option("-f", "--locustfile", default="chat", show_default=True, envvar="LOADTEST_LOCUSTFILE", metavar="FILE",
              help="Path, or the name of one of ours.")  # fmt: skip
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json or markdown.")  # fmt: skip
@click.argument("classes", nargs=-1, metavar="[CLASS]...")
@options_of(OPTIONS)
@config_option(lambda: run_command)
@click.pass_context
def capacity(
    context: click.Context, /, host: str | None, resume: Path | None, max_time: float, kind: Format, **given: Any
) -> int:
    """Find the most connected users for whom every --slo is met.

    Levels double until one fails, and then narrow the bracket; each is an ordinary run. Leaves
    results/capacity-<stamp>/ with all runs, capacity.json and capacity.png. Ctrl-C breaks off; --resume goes on.
    """
    from loadtest.experiment import capacity as experiment  # noqa: PLC0415  # numpy, only now

    given = without_overridden(context, given)
    if resume is None:
        plan = _plan(host, max_time, _without_those_of_a_level(context, given))
        folder = _begin(Path(given["results"] or "results"))
        record = experiment.new(plan)
        experiment.save(folder, record)
    else:
        refuse_plan_options(context, RESUMABLE | ADDRESSES)
        folder, record = resume, experiment.restore(resume)
        refuse_plan_options(context, RESUMABLE | attributes(record.plan.withheld))
        check_given_again(given, record.plan.withheld)
        if not record.levels:
            _check_time(record.plan, max_time)
    from .capacity_lines import plan_line  # noqa: PLC0415

    click.echo(plan_line(record.plan, record.levels, max_time), err=True)
    try:
        with one_interrupt(), _server(record.plan) as (url, secret):
            record = experiment.carry_on(
                record, folder, url, by_environment(_of_levels(given)) | secret, _tell, max_time
            )
    except KeyboardInterrupt:
        record = experiment.restore(folder)
        if record.ended is None:  # else it was the reference server that was waited for
            record = replace(record, stopped="interrupted")
            experiment.save(folder, record)
        if record.levels:
            _show(record, folder, kind)
        done = "1 level" if len(record.levels) == 1 else f"{len(record.levels)} levels"
        click.echo(
            f"broken off after {done}; go on with: loadtest capacity --resume {shlex.quote(str(folder))}", err=True
        )
        raise
    return _conclude(record, folder, kind)


def _plan(host: str | None, max_time: float, given: dict[str, Any]) -> Plan:
    from loadtest.experiment.capacity_plan import Plan, first_users  # noqa: PLC0415
    from loadtest.experiment.run import locustfile  # noqa: PLC0415

    run_given = {option.attribute: given[option.attribute] for option in OPTIONS}
    _check(given, run_given)
    chosen = settings({option.attribute: option.joined(run_given[option.attribute]) for option in OPTIONS})
    locustfile(given["locustfile"])
    demands = demanded(chosen.slo)
    if demands.abort_on:
        _tell_left_out("--slo: its file's abort_on", "abort_on")
    objectives = [each.text for each in demands.objectives]
    per_s = chosen.connection_per_s
    start = given["start_users"] or first_users(objectives, per_s, given["run_time"])
    most = given["max_users"]
    if given["start_users"] is None and most is not None:
        start = min(start, most)
    if most is not None and start > most:
        raise click.UsageError(
            f"--start-users: {start:,} is above --max-users {most:,}; lower the one or raise the other"
        )
    plan = Plan(
        host=host,
        start=start,
        most=most,
        precision=given["precision"],
        settle_s=given["settle"],
        run_time_s=given["run_time"],
        spawn_rate=given["spawn_rate"] or _spawn_rate(chosen),
        user_per_s=per_s,
        reply_timeout_s=chosen.reply_timeout,
        processes=given["processes"],
        locustfile=given["locustfile"],
        classes=_classes(given, chosen),
        objectives=objectives,
        options=passed_on(_of_levels(run_given)),
        withheld=[option.name for option in OPTIONS if option.env in withheld(_of_levels(run_given))],
        seed=chosen.seed,
        first_user=chosen.first_user,
        same_users=_from_file(chosen),
        rest_s=chosen.rate_limit.window_s if _from_file(chosen) and chosen.rate_limit else 0.0,
    )
    _check_time(plan, max_time)
    return plan


def _check_time(plan: Plan, max_time: float) -> None:
    longest_s = plan.longest_s(Step(plan.start))
    if longest_s > max_time:
        raise click.UsageError(
            f"--max-time: {max_time:g} s is too short for the first level, which may take "
            f"{longest_s:.0f} s; allow for more, or shorten --settle, --run-time or --reply-timeout"
        )


def _check(given: dict[str, Any], run_given: dict[str, Any]) -> None:
    """Refuse what cannot work, or not together.

    Raises:
        click.UsageError: with the option and the remedy.
    """
    if not given["slo"]:
        raise click.UsageError(
            "--slo: missing; say what has to hold, as in --slo 'ack_delivered.p99 < 250ms': the most users for whom it "
            "does are the capacity"
        )
    for name, (option, why) in OF_A_LEVEL.items():
        if given[name]:
            raise click.UsageError(f"{option}: {why}; leave it out")
    if given["spawn_rate"] is not None and not 0 < given["spawn_rate"] < float("inf"):
        raise click.UsageError(f"--spawn-rate: {given['spawn_rate']:g} is not above 0")
    check_run(run_given, given["run_time"])


def _without_those_of_a_level(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options without what a file says of `OF_A_LEVEL`, which is told."""
    source = context.get_parameter_source
    left_out = [name for name in OF_A_LEVEL if given[name] and source(name) is ParameterSource.DEFAULT_MAP]
    for name in left_out:
        _tell_left_out(f"--config: {OF_A_LEVEL[name][0].removeprefix('--')}", name)
    return given | dict.fromkeys(left_out)


def _tell_left_out(what: str, name: str) -> None:
    click.echo(f"loadtest: notice: {what} is left out: {OF_A_LEVEL[name][1]}", err=True)


def _classes(given: dict[str, Any], chosen: Settings) -> list[str]:
    ours, plain = PLAIN
    classes = list(given["classes"])
    if BEYOND in classes or chosen.weights.get(BEYOND):
        raise click.UsageError(
            f"{BEYOND}: sends beyond the rate limit, so the search would measure the limiter; leave it out"
        )
    return classes or ([plain] if given["locustfile"] == ours and not chosen.weights else [])


def _spawn_rate(chosen: Settings) -> float:
    """Users who log in come no faster than they may."""
    return min(SPAWN_RATE, chosen.login_rate.per_second) if chosen.login_url else SPAWN_RATE


def _from_file(chosen: Settings) -> bool:
    """Whether the users of a file are all that there are: minted ones are new in each level."""
    return chosen.tokens_file is not None or chosen.users_file is not None


def _of_levels(given: dict[str, Any]) -> dict[str, Any]:
    """What every level is given as it is."""
    return {name: value for name, value in given.items() if name not in OWN}


@contextmanager
def _server(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """The server's address, and the secret of one that is started."""
    from loadtest.experiment.server import reference_server  # noqa: PLC0415

    if plan.host is not None:
        yield plan.host, {}
        return
    limits = [word.partition("=")[2] for word in plan.options if word.startswith("--rate-limit=")]
    with reference_server([f"--rate-limit={limit}" for limit in limits]) as server:
        seen_elsewhere = any(word.startswith("--server-") for word in plan.options) or SERVER_METRICS in plan.withheld
        seen = {} if seen_elsewhere else {SERVER_PID: str(server.pid)}
        yield server.url, {"LOADTEST_JWT_SECRET": server.jwt_secret} | seen


def _begin(results: Path) -> Path:
    from loadtest.runs.folder import create_apart  # noqa: PLC0415

    return create_apart(results, "capacity", datetime.now(UTC))


def _tell(told: Begun | Told) -> None:
    from .capacity_lines import line_of  # noqa: PLC0415

    click.echo(line_of(told), err=True)


def _conclude(record: Record, folder: Path, kind: Format) -> int:
    """Show what was found, and say by the exit code what it is worth."""
    if not record.levels:
        raise UsageError(record.stopped or "--max-time: there was no time for a level; allow for more")
    _show(record, folder, kind)
    if record.stopped:
        raise UsageError(
            f"{record.stopped}; what was found until then is kept, and loadtest capacity --resume "
            f"{shlex.quote(str(folder))} goes on"
        )
    if record.ended == End.GENERATOR:
        return NothingMeasured.exit_code
    return MISSED if record.ended == End.NOTHING_PASSES else 0


def _show(record: Record, folder: Path, kind: Format) -> None:
    """Print what was found, and leave it as pictures."""
    _draw(record, folder)
    click.echo(_shown(record, folder, kind), nl=False)


def _draw(record: Record, folder: Path) -> None:
    from loadtest.report.capacity_plot import capacity_plot  # noqa: PLC0415  # matplotlib, only now
    from loadtest.report.figure import save  # noqa: PLC0415

    figure = capacity_plot(record, record.plan.host or "reference server")
    for name in PICTURES:
        save(figure, folder / name)


def _shown(record: Record, folder: Path, kind: Format) -> str:
    from loadtest.report import capacity_table as table  # noqa: PLC0415  # rich, only now

    if kind is Format.JSON:
        return table.as_json(record) + "\n"
    if kind is Format.MARKDOWN:
        return table.markdown(record)
    files = f"{folder}: {', '.join(('capacity.json', *PICTURES))}"
    return table.text(record, files=files, color=sys.stdout.isatty())
