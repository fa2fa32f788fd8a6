"""The log of the stand-in for the model, taken into the folder of the run that named it."""

from __future__ import annotations

from pathlib import Path

import click

from loadtest.errors import RunFolderError
from loadtest.runs.reader import RunReader
from loadtest.runs.standin import KEPT, keep


def take_in(run: Path) -> None:
    """Keep what a run started with `--llm-log` needs of it; once kept, it stays.

    A log that is missing or of something else is said on stderr and costs a run nothing but its `ttft_overhead`.
    """
    with RunReader(run) as reader:
        log = reader.info.options.get("llm_log")
        if not log or (reader.folder / KEPT).exists():
            return
        try:
            found = keep(Path(str(log)), reader.folder, frozenset(reader.message_ids()))
        except RunFolderError as error:
            _warn(f"{error}; no ttft_overhead. Put the log there, and: loadtest finish {run}")
            return
    if not found.ours:
        _warn(
            f"none of the {found.requests} requests in {log} names a message of this run; no ttft_overhead. Does the "
            "backend ask this stand-in, with the user's text at the end?"
        )


def _warn(text: str) -> None:
    click.echo(f"loadtest: --llm-log: {text}", err=True)
