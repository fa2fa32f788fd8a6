"""The command line in this process: what a shell sees of it, without the second that an interpreter takes to start."""

import sys
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from loadtest.cli import main


def loadtest(*words, cwd=None):
    """Exit code, stdout and stderr of a command."""
    out, err = StringIO(), StringIO()
    argv = ["loadtest", *map(str, words)]
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        chdir(cwd) if cwd else nullcontext(),
        patch.object(sys, "argv", argv),
    ):
        try:
            main()
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
    raise AssertionError("main() ends by sys.exit")


def assert_one_line(result, code, *words):
    """Bad input: one line that names it, and an exit code."""
    assert result[0] == code
    (line,) = result[2].strip().splitlines()
    assert line.startswith("loadtest: error: ")
    for word in words:
        assert word in line
