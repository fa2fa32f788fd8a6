"""`loadtest export`: the records of a run as files for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click

from loadtest.settings import one_of

from .options import Parsed


class FileFormat(StrEnum):
    """What the files are."""

    CSV = "csv"
    PARQUET = "parquet"


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=Parsed(one_of(FileFormat), "FORMAT"), default="csv", show_default=True,
              help="csv, or parquet, which needs pyarrow.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the files [default: export in the run folder].")  # fmt: skip
def export(run: Path, kind: FileFormat, output: Path | None) -> None:
    """Write the tables of a RUN folder as files: messages, connects, disconnects, outages, health, counters, server,
    steps, logins, ghosts, stays, typed.

    Columns are those of run.db, `utc`, the wall time of a row, and `step`, that of a load shape where the run had one.
    Instants are nanoseconds of the monotonic clock.
    """
    from loadtest.runs.export import export as write  # noqa: PLC0415  # numpy, only now
    from loadtest.runs.reader import RunReader  # noqa: PLC0415

    with RunReader(run) as opened:
        for file in write(opened, output or opened.folder / "export", kind):
            click.echo(file)
