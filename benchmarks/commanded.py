"""One command of ours, waited for to its end, and ended with the benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence


def commanded(words: Sequence[str], secrets: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Run `loadtest` with these words; its exit code, and what it printed.

    `subprocess.run` kills a command a quarter of a second after Ctrl-C, and one that has started servers and runs of
    its own takes longer than that to end them.
    """
    command = [sys.executable, "-m", "loadtest", *words]
    with subprocess.Popen(command, env=os.environ | (secrets or {}), stdout=subprocess.PIPE) as process:
        try:
            printed, _ = process.communicate()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return process.returncode, printed
