"""The tables of a run as files that other tools read: CSV, and Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from loadtest.errors import RunFolderError, UsageError
from loadtest.runs.reader import RunReader

TABLES: Final = (
    *("messages", "connects", "disconnects", "outages", "health", "counters", "server", "steps"),
    *("logins", "ghosts", "stays", "typed"),
)
"""What is exported. Histograms and receipts are not: they hold arrays, of which `summary.json` has the numbers."""

INSTANTS: Final = {
    "messages": "intended_ns",
    "connects": "began_ns",
    "disconnects": "at_ns",
    "outages": "lost_ns",
    "health": "at_ns",
    "server": "at_ns",
    "steps": "began_ns",
    "logins": "began_ns",
    "ghosts": "silent_ns",
    "stays": "from_ns",
    "typed": "sent_ns",
}
"""Table to the instant that its column `utc` has as wall time, for looking it up in a server's logs."""

Rows = Iterator[Sequence[Any]]
Types = Mapping[str, str]
Write = Callable[[Path, Types, Rows], None]


def export(run: RunReader, folder: Path, ending: str) -> list[Path]:
    """Write a file for each table; none of them is left half-written.

    Args:
        folder: made where it is not there.
        ending: `csv` or `parquet`.

    Returns:
        The files.

    Raises:
        UsageError: pyarrow is wanted and not installed.
        RunFolderError: the folder cannot be written, or the run cannot be read.
    """
    write = write_csv if ending == "csv" else _parquet_writer()
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            types, rows = run.rows(table)
            if not types:
                continue  # the file is of a version that did not have it
            file = folder / f"{table}.{ending}"
            fresh = file.with_name(f".{file.name}")
            try:
                write(fresh, *_with_utc(run, table, *_with_step(run, table, types, rows)))
                fresh.replace(file)
            finally:
                fresh.unlink(missing_ok=True)
            files.append(file)
    except OSError as error:
        raise RunFolderError(
            f"--output: cannot write to {folder}: {error.strerror or error}; name a folder that can be written"
        ) from None
    return files


def write_csv(file: Path, types: Types, rows: Rows) -> None:
    """A header and a line each; what is not known is empty."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(types)
        writer.writerows(rows)


def _with_utc(run: RunReader, table: str, types: Types, rows: Rows) -> tuple[Types, Rows]:
    if table not in INSTANTS:
        return types, rows
    place = list(types).index(INSTANTS[table])
    start_s, start_ns = datetime.fromisoformat(run.info.started_utc).timestamp(), run.info.started_ns

    def utc(instant_ns: int) -> str:
        at = datetime.fromtimestamp(start_s + (instant_ns - start_ns) / 1e9, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return {"utc": "TEXT"} | dict(types), ((utc(row[place]), *row) for row in rows)


def _with_step(run: RunReader, table: str, types: Types, rows: Rows) -> tuple[Types, Rows]:
    """Records with the step of the load shape that was held at their instant; none between two steps.

    By then all instants are of one clock, the master's, as the bounds of a step are.
    """
    steps = run.steps() if table in INSTANTS and table != "steps" else []
    if not steps:
        return types, rows
    place = list(types).index(INSTANTS[table])

    def step(instant_ns: int) -> int | None:
        return next((each.number for each in steps if each.began_ns <= instant_ns < each.ended_ns), None)

    return dict(types) | {"step": "INTEGER"}, ((*row, step(row[place])) for row in rows)


# --- Parquet ----------------------------------------------------------------------------------------------------------
_ROWS_AT_ONCE: Final = 50_000


def _parquet_writer() -> Write:
    """Writes with pyarrow, which is 170 MB and so not for everybody."""
    try:
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "--format: parquet needs pyarrow, which is not installed: pip install 'chat-loadtest[parquet]', or take csv"
        ) from None

    kinds = {"INTEGER": pyarrow.int64(), "TEXT": pyarrow.string()}

    def write(file: Path, types: Types, rows: Rows) -> None:
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in types.items()])
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            while piece := list(_some(rows)):
                columns = zip(*piece, strict=True)
                arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))

    return write


def _some(rows: Rows) -> Rows:
    return (row for _, row in zip(range(_ROWS_AT_ONCE), rows, strict=False))
