"""`loadtest run`: the everyday run, headless, with a run folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click

from loadtest.experiment.run import Load, run
from loadtest.experiment.server import RunningServer, reference_server
from loadtest.settings import OPTIONS, Option, positive_duration, positive_int, settings, whole, ws_url

from .options import Parsed, Several

SPAWN_S = 5.0
"""Without --spawn-rate, all users are there after this many seconds."""


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of a run."""
    for option in reversed(OPTIONS):
        command = _run_option(option)(command)
    return command


def _run_option(option: Option) -> Callable[..., Any]:
    named: dict[str, Any] = {"envvar": option.env, "show_envvar": option.secret}
    if option.flag:
        return click.option(f"--{option.name}", option.attribute, is_flag=True, help=option.help, **named)
    return click.option(
        f"--{option.name}",
        option.attribute,
        type=Several(option) if option.multiple else None,
        metavar=option.metavar,
        multiple=option.multiple,
        help=option.help + ("" if option.default is None else f" [default: {option.default}]"),
        **named,
    )


@click.command("run")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST",
              help="Address of the backend; without it the reference server is started.")  # fmt: skip
@click.option("-u", "--users", type=Parsed(positive_int, "NUMBER"), default="10", show_default=True,
              help="Virtual users.")  # fmt: skip
@click.option("-r", "--spawn-rate", type=float, help="Users started a second [default: all within 5 s].")
@click.option("-t", "--run-time", type=Parsed(positive_duration, "TIME"), default="60s", show_default=True,
              help="Time to run, such as 90, 60s or 5m.")  # fmt: skip
@click.option("--processes", type=Parsed(whole, "NUMBER"), default="0", show_default=True,
              help="Worker processes; 0 for one process that does all.")  # fmt: skip
@click.option("-f", "--locustfile", default="chat", show_default=True, help="Path, or the name of one of ours.")
@click.argument("classes", nargs=-1, metavar="[CLASS]...")
@run_options
def run_command(
    host: str | None,
    users: int,
    spawn_rate: float | None,
    run_time: float,
    processes: int,
    locustfile: str,
    classes: tuple[str, ...],
    **given: Any,
) -> None:
    """Load a chat backend and leave a run folder.

    Names of user CLASSes behind the options run these alone.
    """
    if spawn_rate is not None and not 0 < spawn_rate < float("inf"):
        raise click.UsageError(f"--spawn-rate: {spawn_rate:g} is not above 0")
    check_run(given, run_time)
    with nullcontext(None) if host else reference_server(_server_options(given)) as server:
        code = run(
            Load(
                host=host or server.url,  # type: ignore[union-attr]
                users=users,
                spawn_rate=spawn_rate or max(users / SPAWN_S, 1.0),
                run_time=f"{run_time:g}s",
                processes=processes,
                locustfile=locustfile,
                classes=classes,
                options=passed_on(given),
                secrets=_secrets(given, server),
            )
        )
    sys.exit(code)


def check_run(given: dict[str, Any], run_time: float) -> None:
    """Refuse options that cannot work, or not together.

    Raises:
        click.UsageError: with the option and the remedy.
    """
    try:
        chosen = settings({option.attribute: _joined(option, given[option.attribute]) for option in OPTIONS})
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if chosen.warmup is not None and chosen.warmup >= run_time:
        raise click.UsageError(
            f"--warmup: {chosen.warmup:g} s leaves nothing of --run-time {run_time:g} s; shorten the one or lengthen "
            "the other"
        )


def _joined(option: Option, value: Any) -> Any:
    return option.separator.join(value) if isinstance(value, tuple) else value


def _server_options(given: dict[str, Any]) -> list[str]:
    """The reference server keeps the limit that the run declares."""
    return ["--rate-limit", given["rate_limit"]] if given.get("rate_limit") else []


def passed_on(given: dict[str, Any]) -> list[str]:
    """The words for Locust's command line, without secrets."""
    words: list[str] = []
    for option in OPTIONS:
        value = given.get(option.attribute)
        for part in value if isinstance(value, tuple) else (value,) if value else ():
            if not option.secret:
                words.append(f"--{option.name}" if option.flag else f"--{option.name}={part}")
    return words


def _secrets(given: dict[str, Any], server: RunningServer | None) -> dict[str, str]:
    secrets = {
        option.env: _joined(option, given[option.attribute])
        for option in OPTIONS
        if option.secret and given[option.attribute]
    }
    return secrets | ({"LOADTEST_JWT_SECRET": server.jwt_secret} if server else {})
