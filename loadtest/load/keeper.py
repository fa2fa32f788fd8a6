"""Keeps one run folder: opens it, writes what the processes record, seals it, and has it finished by a subprocess."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import gevent
import msgspec

from loadtest.errors import NothingMeasured, RunFolderError, UnwritableRecord
from loadtest.load.left_out import left_out
from loadtest.model import Batch, RunInfo
from loadtest.runs.folder import create
from loadtest.runs.writer import RunWriter

logger = logging.getLogger(__name__)

WRITE_EVERY_S: Final = 0.25
CHECKPOINT_EVERY_S: Final = 5.0


class Keeper:
    """The run folder of one run; lives in the process without users, or in the only one.

    Args:
        results: folder of run folders.
        info: the facts of the run as known at its start.

    Raises:
        RunFolderError: the folder cannot be written.
    """

    def __init__(self, results: Path, info: RunInfo) -> None:
        self.info = info
        self.folder = create(results, info.scenario, datetime.fromisoformat(info.started_utc))
        self._writer = RunWriter(self.folder, info)
        self._waiting: deque[Batch] = deque()
        self._complaint = ""
        self._notices: list[str] = []
        self._greenlet = gevent.spawn(self._write_on)
        self._checkpoints = gevent.spawn(self._checkpoint_on)

    def put(self, batch: Batch) -> None:
        """Take a batch; it is written soon."""
        self._waiting.append(batch)

    def update(self, **changes: object) -> None:
        """Replace facts of the run; they are written now, or with the next that can be."""
        self.info = msgspec.structs.replace(self.info, **changes)
        with suppress(RunFolderError):  # a full disk must not end who watches a run, or drains it: `seal` tries again
            self._writer.update(self.info)

    def notice(self, text: str) -> None:
        """Keep what was noticed while the run goes on."""
        self._notices.append(text)
        with suppress(RunFolderError):  # a full disk: `seal` tries again
            self._writer.keep_notices(self._notices)

    def seal(self) -> int:
        """Write what is left, close `run.db` and finish the folder; returns the run's exit code.

        Where the disk is full to the end that is 3: what could be written is there, as of a run that was cut off.
        """
        gevent.killall([self._greenlet, self._checkpoints])
        self._write_waiting()
        if self._waiting:
            logger.error("%d batches of records could not be written: %s", len(self._waiting), self._complaint)
            return NothingMeasured.exit_code
        self.info = msgspec.structs.replace(self.info, ended_ns=time.monotonic_ns())
        try:
            self._writer.update(self.info)
            self._writer.keep_notices(self._notices)
        except RunFolderError as error:
            logger.error("%s; the run is not sealed, and reads as one that was cut off", error)
            return NothingMeasured.exit_code
        self._writer.close()
        # stderr: whoever drives locust may read data from its stdout
        finish = subprocess.run(
            [sys.executable, "-m", "loadtest", "finish", str(self.folder)],
            check=False,
            stdout=sys.stderr.fileno(),
            start_new_session=True,  # a second Ctrl-C must not cut off the summary
        )
        return finish.returncode

    def _write_on(self) -> None:
        while True:
            gevent.sleep(WRITE_EVERY_S)
            self._write_waiting()

    def _checkpoint_on(self) -> None:
        while True:
            gevent.sleep(CHECKPOINT_EVERY_S)
            gevent.get_hub().threadpool.apply(self._writer.checkpoint)

    def _write_waiting(self) -> None:
        while self._waiting:
            try:
                self._write(self._waiting[0])
            except RunFolderError as error:  # a full disk may be emptied: keep the batch and try again
                self._complain(error, "records wait in memory")
                return
            self._waiting.popleft()
            gevent.sleep(0)

    def _write(self, batch: Batch) -> None:
        try:
            self._writer.write(batch)
        except UnwritableRecord as error:  # it never will be written, and those behind it must not wait for it
            self._writer.write(left_out(batch))
            self._complain(error, f"a report of {batch.process} is left out")

    def _complain(self, error: RunFolderError, so: str) -> None:
        """Say what is wrong and what comes of it, once and not each time that it is tried."""
        if str(error) != self._complaint:
            logger.error("%s; %s", error, so)
        self._complaint = str(error)
