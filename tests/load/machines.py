"""A master and its workers as processes of their own, as on several machines."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

from locust_command import LOCUSTFILE, LocustRun
from real_servers import unused_port

PACE = ("--rate-limit", "none", "--message-rate", "2/1s", "WithinLimitUser")


class Machines:
    """A master and its workers.

    Args:
        workers: that the master waits for.
        address: of the master.
        within: words in front of its command.
    """

    def __init__(self, server, folder, workers, run_time, *options, address="127.0.0.1", within=()):
        self.port, self._secret, self._folder, self._address = unused_port(), server.secret, folder, address
        self.workers = []
        self.master = LocustRun(
            server,
            folder / "results",
            *("--headless", "--master", "--expect-workers", str(workers), "--master-bind-host", address),
            *("--master-bind-port", str(self.port), "-u", "12", "-r", "12", "-t", run_time, *options, *PACE),
            within=within,
        )

    def worker(self, port=None, *words, within=()):
        log = (self._folder / f"worker{len(self.workers)}.log").open("w")
        process = subprocess.Popen(
            [
                *within,
                *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker", "--master-host", self._address),
                *("--master-port", str(port or self.port), *words),
            ],
            env=os.environ | {"LOADTEST_JWT_SECRET": self._secret},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self.workers.append(process)
        return process

    def wait_until_noticed(self, text):
        """Until the master has kept a notice that holds this text."""
        self.master.until(lambda: any(text in notice for notice in self._notices()))

    def _notices(self):
        database = self.master.results / "latest" / "run.db"
        if not database.exists():
            return []
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db, suppress(sqlite3.OperationalError):
            rows = db.execute("SELECT value FROM run WHERE key = 'notices'").fetchall()
            return json.loads(rows[0][0]) if rows else []
        return []

    def close(self):
        self.master.kill()
        for process in self.workers:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # its own processes, too
            process.wait()


def by_end(summary, end):
    """Of the workers of a run, those that ended so."""
    return [worker for worker in summary["run"]["workers"] if worker["ended"] == end]
