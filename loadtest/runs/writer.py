"""Writes `run.db` while the run goes on, so that a killed run keeps all but its last seconds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType

import msgspec

from loadtest.errors import RunFolderError, UnwritableRecord
from loadtest.model import Batch, RunInfo
from loadtest.runs import schema
from loadtest.runs.folder import DATABASE


class RunWriter:
    """The one writer of a run folder.

    Each batch is one transaction of a write-ahead log that is not synced at every commit: what was written survives
    the death of the process, and a loss of power costs at most the last seconds. To be used from one thread, but for
    `checkpoint`: the log is never folded into the file in passing, which would hold the writer for a sync of the disk.
    """

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Create `run.db` in an existing folder that holds none.

        Raises:
            RunFolderError: the file cannot be created.
        """
        self._folder = folder
        with self._explained():
            self._db = sqlite3.connect(folder / DATABASE)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")
            with self._db:
                for statement in schema.create_statements():
                    self._db.execute(statement)
        self._inserts = {table: schema.insert_statement(table) for table in schema.RECORDS}
        self.update(info)

    def write(self, batch: Batch) -> None:
        """Add one batch, whole or not at all; a batch that is there already is ignored.

        Raises:
            UnwritableRecord: it holds what no file can, and never will be written.
            RunFolderError: it cannot be written now, for example because the disk is full.
        """
        with self._explained(), self._db:
            added = self._db.execute(
                "INSERT OR IGNORE INTO batches VALUES (?, ?, ?)", (batch.process, batch.sequence, time.monotonic_ns())
            )
            if not added.rowcount:
                return
            for table, insert in self._inserts.items():
                self._db.executemany(insert, map(msgspec.structs.astuple, getattr(batch, table)))
            self._db.executemany(
                "INSERT INTO counters VALUES (?, ?, ?, ?) "
                "ON CONFLICT (process, name, key) DO UPDATE SET value = value + excluded.value",
                [(batch.process, count.name, count.key, count.value) for count in batch.counters],
            )

    def update(self, info: RunInfo) -> None:
        """Replace the facts of the run.

        Raises:
            RunFolderError: they cannot be written.
        """
        self._keep("info", info)

    def keep_notices(self, notices: list[str]) -> None:
        """Replace what was noticed during the run.

        Raises:
            RunFolderError: it cannot be written.
        """
        with self._explained(), self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO run VALUES ('notices', ?)", (msgspec.json.encode(notices).decode(),)
            )

    def _keep(self, key: str, value: object) -> None:
        with self._explained(), self._db:
            self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, msgspec.json.encode(value).decode()))

    def checkpoint(self) -> None:
        """Fold what the log holds into the file; for another thread than the writer's, which goes on meanwhile.

        A log that cannot be folded now only grows until the next time.
        """
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._folder / DATABASE)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Fold the log into the file and close it; safe to repeat."""
        # A sealed run is one plain file, which opens on read-only media too. A reader at work prevents it: no harm.
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:  # the disk is full, the file locked ...
            raise RunFolderError(self._complaint(error)) from error
        except (sqlite3.Error, ValueError, OverflowError) as error:  # half a character, more than 64 bits ...
            raise UnwritableRecord(self._complaint(error)) from error

    def _complaint(self, error: Exception) -> str:
        return f"--results: cannot write {self._folder / DATABASE}: {error}"
