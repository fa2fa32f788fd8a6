"""`locust -f locustfiles/chat.py`: run to its end, or under way."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

LOCUSTFILE = Path(__file__).parents[2] / "locustfiles" / "chat.py"


def locust(*options, **environment):
    """The finished process; its `stdout` holds all of the console. Options of ours in the environment do not count."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", *options],
        env=clean | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )


class LocustRun:
    """`locust` under way, in a process group of its own.

    Args:
        server: the `ReferenceServer` that it loads.
        results: folder for its run folder.
        options: further words of the command line.
        within: words in front of it.
    """

    def __init__(self, server, results, *options, locustfile=LOCUSTFILE, within=()):
        self.results = results
        self.process = subprocess.Popen(
            [
                *within,
                *(sys.executable, "-m", "locust", "-f", str(locustfile), "--host", server.url),
                *("--results", str(results), *options),
            ],
            env=os.environ | {"LOADTEST_JWT_SECRET": server.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def until(self, happened):
        """Wait until something is so; fails when the run ends or a minute passes before."""
        for _ in range(600):
            if happened():
                return
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            self.output = self.process.stdout.read()
            pytest.fail(f"locust ended early:\n{self.output}")
        pytest.fail("did not happen within a minute")

    def until_under_way(self, messages):
        """Wait until so many messages are over."""
        self.until(lambda: self._answered() >= messages)

    def _answered(self):
        database = self.results / "latest" / "run.db"
        if not database.exists():
            return 0
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            try:
                return db.execute("SELECT count(*) FROM messages").fetchone()[0]
            except sqlite3.OperationalError:  # the tables are not there yet
                return 0

    def sealed(self):
        return (self.results / "latest" / "summary.json").exists()

    def signal(self, number, group):
        (os.killpg if group else os.kill)(self.process.pid, number)

    def end(self):
        """Wait for the end; returns the exit code."""
        self.output, _ = self.process.communicate(timeout=60)
        return self.process.returncode

    def end_as_its_verdict_says(self, *before):
        """Wait for the end of a run that may have had to share its core: then it is invalid, and says so by 3.

        Args:
            before: summaries of earlier runs of the same process, whose exit code is theirs, too.
        """
        code = self.end()
        assert self.sealed(), self.output
        invalid = any(summary["verdict"]["status"] == "invalid" for summary in (self.summary, *before))
        assert code == (3 if invalid else 0), self.output

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
        self.process.stdout.close()

    @property
    def verdict(self):
        return self.summary["verdict"]

    @property
    def summary(self):
        return json.loads((self.results / "latest" / "summary.json").read_text())
