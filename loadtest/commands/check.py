"""`loadtest check`: does a server keep to the guide?"""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from typing import Any, Final

import click
import msgspec

from loadtest.experiment.run import locustfile as path_of
from loadtest.settings import CONNECTION_OPTIONS, IDENTITY_OPTIONS, OPTIONS, one_of, whole, ws_url

from .config import config_option, without_overridden
from .options import Parsed, by_environment, options_of, public_of
from .run import run_command

OF_A_RUN: Final = ("conversation", "conversations-file", "rate-limit", "reply-timeout", "expect-stream")
"""Options of a run that mean something for a check, too."""
CHECK_OPTIONS: Final = (
    *IDENTITY_OPTIONS,
    *CONNECTION_OPTIONS,
    *(option for option in OPTIONS if option.name in OF_A_RUN),
)
FAILED: Final = 1
"""Exit code: a case failed."""


class Format(StrEnum):
    """How the findings are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    JUNIT = "junit"


@click.command("check")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST", required=True,
              help="Address of the backend.")  # fmt: skip
@click.option("-f", "--locustfile", envvar="LOADTEST_LOCUSTFILE", metavar="FILE",
              help="Take the dialect of its first chat user; path, or the name of one of ours.")  # fmt: skip
@click.option("--full", is_flag=True, help="Wait for rate-limit windows and slow answers, too: minutes.")
@click.option("--only", multiple=True, metavar="NAME",
              help="Only these cases, by their id or that of a group: connection, tokens, messages, streams, typing, "
                   "limiter, reconnection, errors; may be repeated. `limiter` waits for windows.")  # fmt: skip
@click.option("--user", type=Parsed(whole, "NUMBER"),
              help="Number of the first of 12 users to be [default: 0; users that tokens are minted for at "
                   "random].")  # fmt: skip
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json, markdown or junit.")  # fmt: skip
@options_of(CHECK_OPTIONS)
@config_option(others=lambda: run_command)
@click.pass_context
def check(
    context: click.Context,
    /,
    host: str,
    locustfile: str | None,
    full: bool,
    only: tuple[str, ...],
    user: int | None,
    kind: Format,
    **given: Any,
) -> int:
    """Go through the guide's testing checklist on a server, in under 20 seconds; exits with 1 where a case fails.

    Sends some 60 messages as 12 users, among them wrong ones on purpose: not for a server with people on it. `differs`
    is no failure: the guide leaves it open. Without --conversation or --conversations-file it writes to new ones.
    """
    from loadtest.analysis.conformance import Conformance  # noqa: PLC0415
    from loadtest.report import conformance as report  # noqa: PLC0415

    from .ci import add_to_job_summary  # noqa: PLC0415

    given = without_overridden(context, given)
    asked = {
        "host": host,
        "locustfile": None if locustfile is None else str(path_of(locustfile).absolute()),
        "full": full,
        "only": list(only),
        "user": user,
        "options": public_of(CHECK_OPTIONS, given),
    }
    found = msgspec.json.decode(_checked(asked, by_environment(given)), type=Conformance)
    markdown = report.markdown(found)
    add_to_job_summary(markdown)
    written = {
        Format.TEXT: lambda: report.text(found, color=sys.stdout.isatty()),
        Format.JSON: lambda: report.as_json(found) + "\n",
        Format.MARKDOWN: lambda: markdown,
        Format.JUNIT: lambda: report.junit(found),
    }[kind]()
    click.echo(written, nl=False)
    return FAILED if found.failed else 0


def _checked(asked: dict[str, Any], secrets: dict[str, str]) -> bytes:
    """What the process wrote that checks: its event loop is gevent's. Ends with its exit code where it failed."""
    # Locust, which a locustfile imports, wants the process patched before all else
    patched = ["gevent.monkey", "--module"] if asked["locustfile"] else []
    checking = [*patched, "loadtest.conformance.check", msgspec.json.encode(asked).decode()]
    command = [sys.executable, "-m", *checking]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | secrets) as process:
        try:
            written, _ = process.communicate()
        finally:
            process.terminate()  # nothing, where it has ended
    if process.returncode != 0:
        sys.exit(process.returncode)
    return written
