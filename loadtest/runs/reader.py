"""Reads `run.db`: of a run that ended, that still goes on, or that was killed."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec
from msgspec import Struct

from loadtest.errors import RunFolderError
from loadtest.model import (
    Connect,
    Count,
    Counts,
    Disconnect,
    Flush,
    Ghost,
    Health,
    Login,
    Outage,
    Receipts,
    RunInfo,
    ServerSample,
    Stay,
    Step,
    Typed,
)
from loadtest.runs import rooms, schema
from loadtest.runs.columns import Messages
from loadtest.runs.fetch import fetch_messages
from loadtest.runs.folder import DATABASE, open_run
from loadtest.runs.standin import ModelRequest, read_kept

Record = TypeVar("Record", bound=Struct)


class Identity(Struct, frozen=True):
    """By what a message is found in the server's logs."""

    user: str
    user_class: str
    conversation: str
    message_id: str


class RunReader:
    """Read-only view of one run folder; a context manager.

    Attributes:
        folder: the run folder, resolved.
        info: the facts of the run.
    """

    def __init__(self, path: Path) -> None:
        """Open a run folder, given as such, as `results/latest`, or as its `run.db`.

        Raises:
            RunFolderError: there is no run, or its file is damaged or of a newer version.
        """
        self.folder = open_run(path)
        with ExitStack() as opened:
            scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-"))
            with self._explained():
                self._uri = _readable_uri(self.folder / DATABASE, Path(scratch))
                self._db = opened.enter_context(closing(sqlite3.connect(self._uri, uri=True)))
                self._check_version()
                self.info = self._read_info()
            self._opened = opened.pop_all()

    def __enter__(self) -> RunReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; safe to repeat."""
        self._opened.close()

    def messages(self) -> Messages:
        """All messages, in the order of writing."""
        with self._explained():
            return fetch_messages(self._uri)

    def message_ids(self) -> list[str]:
        """The id of each of `messages()`, in the same order: apart, since most readers need none."""
        with self._explained():
            return [message_id for (message_id,) in self._db.execute("SELECT message_id FROM messages ORDER BY rowid")]

    def identities(self, rows: Sequence[int]) -> list[Identity]:
        """Who wrote what, of some of `messages()`.

        Args:
            rows: places in `messages()`.
        """
        with self._explained():
            query = "SELECT user, class, conversation, message_id FROM messages WHERE rowid = ?"
            return [Identity(*self._db.execute(query, (row + 1,)).fetchone()) for row in rows]

    def connects(self) -> list[Connect]:
        """Attempts to connect, in the order of writing."""
        return self._records("connects", Connect)

    def logins(self) -> list[Login]:
        """Exchanges with a login endpoint, in the order of writing."""
        return self._records("logins", Login)

    def rooms(self) -> rooms.RoomRecords | None:
        """Who was in which room and received what; None where the run had no rooms."""
        stays, receipts = self._records("stays", Stay), self._records("receipts", Receipts)
        if not stays and not receipts:
            return None
        with self._explained():
            messages = rooms.fetch(self._db)
        return rooms.room_records(messages, receipts, stays, self._records("typed", Typed))

    def disconnects(self) -> list[Disconnect]:
        """Ends of authenticated connections, in the order of writing."""
        return self._records("disconnects", Disconnect)

    def outages(self) -> list[Outage]:
        """Outages, in the order of writing."""
        return self._records("outages", Outage)

    def flushes(self) -> list[Flush]:
        """Offline queues that were sent, in the order of writing."""
        return self._records("flushes", Flush)

    def ghosts(self) -> list[Ghost]:
        """Old connections of users who fell silent, in the order of writing."""
        return self._records("ghosts", Ghost)

    def histograms(self) -> list[Counts]:
        """Additive counts by metric, population and interval, in the order of writing."""
        return self._records("histograms", Counts)

    def health(self) -> list[Health]:
        """Samples of the generator's processes, in the order of writing."""
        return self._records("health", Health)

    def server(self) -> list[ServerSample]:
        """What was seen of the server's own resources."""
        return self._records("server", ServerSample)

    def steps(self) -> list[Step]:
        """Steps of the load shape, in order."""
        return self._records("steps", Step)

    def counters(self) -> list[Count]:
        """Counters, added up over processes, by name and key."""
        with self._explained():
            rows = self._db.execute("SELECT name, key, sum(value) FROM counters GROUP BY name, key ORDER BY name, key")
            return [Count(*row) for row in rows]

    def notices(self) -> list[str]:
        """What was noticed while the run went on, in the order of noticing."""
        with self._explained():
            row = self._db.execute("SELECT value FROM run WHERE key = 'notices'").fetchone()
            return [] if row is None else msgspec.json.decode(row[0], type=list[str])

    def rows(self, table: str) -> tuple[dict[str, str], Iterator[tuple[int | str | None, ...]]]:
        """A table as it is stored: its columns with their SQL types, and its rows one by one.

        Args:
            table: one that the file of an older version may lack: then there are no columns, and no rows to ask for.
        """
        with self._explained():
            return schema.stored_types(self._db, table), self._each_row(table)

    def _each_row(self, table: str) -> Iterator[tuple[int | str | None, ...]]:
        with self._explained():
            yield from self._db.execute(f"SELECT * FROM {table} ORDER BY rowid")

    def model_requests(self) -> list[ModelRequest] | None:
        """Requests to the stand-in for the model that name messages of this run; None where none are kept."""
        return read_kept(self.folder)

    def lost_batches(self) -> dict[str, int]:
        """Gaps in the sequence of a process: how many of its batches never came, where any is missing."""
        with self._explained():
            rows = self._db.execute("SELECT process, max(sequence) + 1 - count(*) FROM batches GROUP BY process")
            return {process: lost for process, lost in rows if lost}

    def longest_silences(self) -> dict[str, int]:
        """The longest time between two reports of each process, ns, as whoever wrote the file saw it."""
        gaps = "SELECT process, written_ns - lag(written_ns) OVER (PARTITION BY process ORDER BY sequence) AS gap"
        with self._explained():
            rows = self._db.execute(f"SELECT process, ifnull(max(gap), 0) FROM ({gaps} FROM batches) GROUP BY process")
            return dict(rows)

    def _records(self, table: str, record: type[Record]) -> list[Record]:
        with self._explained():
            there = schema.stored_columns(self._db, table)
            if not there:
                return []  # a table that the file's version did not have
            # fields are added at the end, so what an older file lacks is what takes its default
            names = ", ".join(f'"{name}"' for name in schema.columns(record) if name in there)
            rows = self._db.execute(f"SELECT {names} FROM {table} ORDER BY rowid").fetchall()
            # strict=False: SQLite has no booleans, only 0 and 1
            return msgspec.convert(rows, list[record], strict=False)  # type: ignore[valid-type]

    def _check_version(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > schema.VERSION:
            raise RunFolderError(f"{self.folder}: written by a newer loadtest (schema {version}); upgrade to read it")

    def _read_info(self) -> RunInfo:
        row = self._db.execute("SELECT value FROM run WHERE key = 'info'").fetchone()
        if row is None:
            raise RunFolderError(f"{self.folder}: killed before its first record; there is nothing to read")
        return msgspec.json.decode(row[0], type=RunInfo)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunFolderError(f"{self.folder}: cannot read {DATABASE}: {error.strerror or error}") from error
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise RunFolderError(f"{self.folder}: cannot read {DATABASE}: {error}; is it the file of a run?") from error


def _readable_uri(database: Path, scratch: Path) -> str:
    """The SQLite URI by which a file can be read where it lies.

    SQLite reads a write-ahead log only where it may create its index beside it. In a folder that cannot be written, a
    sealed file opens as immutable, and a killed run is read from a copy together with its log.
    """
    uri = f"{database.as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        log = database.with_name(f"{database.name}-wal")
        if not log.exists():
            return f"{database.as_uri()}?immutable=1"
        for path in (database, log):
            shutil.copy(path, scratch)
        return f"{(scratch / database.name).as_uri()}?mode=ro"
    return uri
