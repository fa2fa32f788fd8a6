"""`loadtest chat`: one user at the terminal."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, NoReturn

import click
import msgspec

from loadtest.settings import CONNECTION_OPTIONS, IDENTITY_OPTIONS, OPTIONS, whole, ws_url

from .config import config_option, without_overridden
from .options import Parsed, options_of
from .run import run_command

OF_A_RUN: Final = ("reply-timeout", "expect-stream")
"""Options of a run's measuring that mean something for one user, too."""
CHAT_OPTIONS: Final = (
    *IDENTITY_OPTIONS,
    *CONNECTION_OPTIONS,
    *(option for option in OPTIONS if option.name in OF_A_RUN),
)


@click.command("chat")
@click.option("--host", type=Parsed(ws_url, "URL"), envvar="LOADTEST_HOST", required=True,
              help="Address of the backend.")  # fmt: skip
@click.option("--conversation", default="conv-0", show_default=True, metavar="ID", help="Conversation to write to.")
@click.option("--user", type=Parsed(whole, "NUMBER"), default="0", show_default=True,
              help="Number of the user to be, from 0.")  # fmt: skip
@click.option("--typing", is_flag=True, help="Send typing:start and typing:stop before each message.")
@click.option("--trace", is_flag=True, help="Show frames as they are on the wire, too; tokens are left out.")
@options_of(CHAT_OPTIONS)
@config_option(others=lambda: run_command)
@click.pass_context
def chat(
    context: click.Context, /, host: str, conversation: str, user: int, typing: bool, trace: bool, **given: Any
) -> NoReturn:
    """Be one user: send what is typed, and show every frame with its time and its meaning.

    The first thing to run when a run says "0 delivered": the client and the options are those of a run. Works with a
    pipe, too: each line is sent once the one before has been answered. Exits with 1 where a message was not answered.
    """
    given = without_overridden(context, given)
    public = {option.attribute: given[option.attribute] for option in CHAT_OPTIONS if not option.secret}
    asked = {
        "host": host,
        "conversation": conversation,
        "user": user,
        "typing": typing,
        "trace": trace,
        "options": {name: value for name, value in public.items() if value},
    }
    secrets = {
        option.env: option.joined(given[option.attribute])
        for option in OPTIONS
        if option.secret and given.get(option.attribute)
    }
    sys.stdout.flush()
    command = [sys.executable, "-m", "loadtest.conformance.terminal", msgspec.json.encode(asked).decode()]
    # replaces this process: the terminal's keys and signals are the chat's alone
    os.execve(sys.executable, command, os.environ | secrets)
