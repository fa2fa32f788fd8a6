"""`loadtest run`: the everyday run, headless, with a run folder."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Any

import click

from loadtest.experiment.run import Load, run
from loadtest.experiment.server import reference_server
from loadtest.objectives import demanded
from loadtest.settings import OPTIONS, Settings, positive_duration, positive_int, settings, whole, ws_url

from .config import as_toml, config_option, without_overridden
from .options import Parsed, by_environment, options_of

SPAWN_S = 5.0
"""Without --spawn-rate, all users are there after this many seconds."""


def processes_of(text: str) -> int:
    """A number of worker processes; -1 is one for each core that this process may use."""
    return _cores() if text.strip() == "-1" else whole(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command("run")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST",
              help="Address of the backend; without it the reference server is started.")  # fmt: skip
@click.option("-u", "--users", type=Parsed(positive_int, "NUMBER"), default="10", show_default=True,
              envvar="LOADTEST_USERS",
              help="Virtual users.")  # fmt: skip
@click.option(
    "-r",
    "--spawn-rate",
    type=float,
    envvar="LOADTEST_SPAWN_RATE",
    help="Users started a second [default: all within 5 s].",
)
@click.option("-t", "--run-time", type=Parsed(positive_duration, "TIME"), default="60s", show_default=True,
              envvar="LOADTEST_RUN_TIME",
              help="Time to run, such as 90, 60s or 5m.")  # fmt: skip
@click.option("--processes", type=Parsed(processes_of, "NUMBER"), default="0", show_default=True,
              envvar="LOADTEST_PROCESSES",
              help="Worker processes; 0 for one process that does all, -1 for one a core.")  # fmt: skip
@click.option(
    "-f",
    "--locustfile",
    default="chat",
    show_default=True,
    envvar="LOADTEST_LOCUSTFILE",
    metavar="FILE",
    help="Path, or the name of one of ours.",
)
@click.argument("classes", nargs=-1, metavar="[CLASS]...")
@options_of(OPTIONS)
@config_option()
@click.option("--print-config", is_flag=True, help="Print the options in force as a file for --config, and do nothing.")
@click.pass_context
def run_command(
    context: click.Context,
    /,
    host: str | None,
    users: int,
    spawn_rate: float | None,
    run_time: float,
    processes: int,
    locustfile: str,
    classes: tuple[str, ...],
    print_config: bool,
    **given: Any,
) -> None:
    """Load a chat backend and leave a run folder.

    Names of user CLASSes behind the options run these alone.
    """
    given = without_overridden(context, given)
    if print_config:
        click.echo(as_toml(context, context.params | given))
        return
    if spawn_rate is not None and not 0 < spawn_rate < float("inf"):
        raise click.UsageError(f"--spawn-rate: {spawn_rate:g} is not above 0")
    check_run(given, run_time)
    with nullcontext(None) if host else reference_server(_server_options(given)) as server:
        code = run(
            Load(
                host=host or server.url,  # type: ignore[union-attr]
                users=users,
                spawn_rate=spawn_rate or max(users / SPAWN_S, 1.0),
                run_time=run_time,
                processes=processes,
                locustfile=locustfile,
                classes=classes,
                options=passed_on(given),
                secrets=by_environment(given) | ({"LOADTEST_JWT_SECRET": server.jwt_secret} if server else {}),
            )
        )
    sys.exit(code)


def check_run(given: dict[str, Any], run_time: float) -> Settings:
    """The options, parsed; those that cannot work, or not together, are refused.

    Raises:
        click.UsageError: with the option and the remedy.
    """
    try:
        chosen = settings({option.attribute: option.joined(given[option.attribute]) for option in OPTIONS})
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        demanded(chosen.slo, chosen.abort_on)
    except ValueError as error:
        raise click.UsageError(f"--slo: {error}") from None
    if chosen.warmup is not None and chosen.warmup >= run_time:
        raise click.UsageError(
            f"--warmup: {chosen.warmup:g} s leaves nothing of --run-time {run_time:g} s; shorten the one or lengthen "
            "the other"
        )
    return chosen


def _server_options(given: dict[str, Any]) -> list[str]:
    """The reference server keeps the limit that the run declares."""
    return ["--rate-limit", given["rate_limit"]] if given.get("rate_limit") else []


def passed_on(given: dict[str, Any]) -> list[str]:
    """The words for Locust's command line, without what may be secret."""
    words: list[str] = []
    for option in OPTIONS:
        value = given.get(option.attribute)
        for part in value if isinstance(value, tuple) else (value,) if value else ():
            if not option.withholds(value):
                words.append(f"--{option.name}" if option.flag else f"--{option.name}={part}")
    return words
