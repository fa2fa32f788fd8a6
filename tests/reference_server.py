"""The reference server as tests start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

STOP_TIMEOUT_S = 15.0


class ReferenceServer:
    """`loadtest serve` on a free port, in a process of its own.

    Args:
        folder: for what it counts.
        options: further ones of `serve`.
        within: words in front of its command.

    Attributes:
        url: address to connect to.
        secret: key that it checks tokens with.
        greeting: the lines that it printed once it listened.
        farewell: the lines that it printed after that; known once stopped.
    """

    def __init__(self, folder: Path, options: tuple[str, ...], within: tuple[str, ...] = ()) -> None:
        self.secret = "a secret of the tests, long enough for HS256"
        self._counts = folder / "counts.json"
        self._process = subprocess.Popen(
            [
                *(*within, sys.executable, "-m", "loadtest", "serve", "--port", "0"),
                *("--counts-file", str(self._counts), *options),
            ],
            env=os.environ | {"LOADTEST_JWT_SECRET": self.secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.greeting = [self._process.stdout.readline().rstrip("\n") for _ in range(3)]
        self.url = self.greeting[0].removeprefix("listening on ")
        self.farewell: list[str] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> dict[str, Any]:
        """End it, if it has not ended, as SIGTERM does; what it counted."""
        if self._process.returncode is None:
            self._process.terminate()
            farewell, complaints = self._process.communicate(timeout=STOP_TIMEOUT_S)
            assert (self._process.returncode, complaints) == (0, "")
            self.farewell = farewell.splitlines()
        counts: dict[str, Any] = json.loads(self._counts.read_bytes())
        return counts

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
