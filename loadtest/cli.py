"""The command `loadtest`: assembles the commands, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from typing import Final

import click

from loadtest import __version__
from loadtest.errors import BROKEN, INTERRUPTED, LoadtestError, UsageError

COMMANDS: Final = {
    "run": "run_command",
    "serve": "serve",
    "mock-llm": "mock_llm",
    "check": "check",
    "chat": "chat",
    "summarize": "summarize",
    "plot": "plot",
    "report": "report",
    "gate": "gate",
    "export": "export",
    "compare": "compare",
    "ab": "ab",
    "trend": "trend",
    "capacity": "capacity",
    "selftest": "selftest",
    "finish": "finish",
}
"""Command to the name of its function in its module of `loadtest.commands`, in the order of `--help`."""


class Commands(click.Group):
    """Imports a command when it is asked for, so that `loadtest --help` waits for no numpy and no matplotlib."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"loadtest.commands.{name.replace('-', '_')}"), COMMANDS[name])
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="loadtest %(version)s")
def cli() -> None:
    """Load testing for real-time AI chat over WebSocket."""


def main() -> None:
    """Run the command line; exit codes are those of the README."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except LoadtestError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except OSError as error:
        _fail(_explained(error), UsageError.exit_code)
    except Exception:  # noqa: BLE001  # whatever it is
        traceback.print_exc()
        sys.exit(BROKEN)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    remedy = "; run as its owner, or give this user the right" if isinstance(error, PermissionError) else ""
    return f"{where}{error.strerror or error}{remedy}"


def _fail(message: str, code: int) -> None:
    click.echo(f"loadtest: error: {message}", err=True)
    sys.exit(code)
