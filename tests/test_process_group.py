"""A command is ended with all that it has started: in peace where that comes about in time."""

import os
import subprocess
import sys
import time

import pytest

from loadtest.process_group import end_group

LONG_S = 60.0
"""A patience that no test is to use up."""
SLOW = """
import os, signal, time
shell = os.getppid()

def leave(*_):
    while os.getppid() == shell:
        time.sleep(0.01)
    time.sleep(0.2)  # there is still something to be closed
    print("left in peace", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def wrapped(code):
    """A shell that waits for a program, and ends at once when told to, whatever becomes of the program."""
    words = ["sh", "-c", '"$0" -c "$1" & wait', sys.executable, code]
    shell = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert shell.stdout.readline() == b"ready\n"
    return shell


def last_words(shell):
    """What was said until the last of them, who all have the pipe, was gone."""
    return shell.communicate(timeout=LONG_S / 2)[0]


def test_a_program_has_its_time_though_the_shell_around_it_is_gone_before():
    with wrapped(SLOW) as shell:
        began = time.monotonic()
        end_group(shell, LONG_S)
        assert time.monotonic() - began < LONG_S / 2
        assert last_words(shell) == b"left in peace\n"


def test_a_program_that_does_not_end_in_time_is_killed_though_the_shell_around_it_is_gone():
    with wrapped(STUBBORN) as shell:
        end_group(shell, 0.2)
        assert last_words(shell) == b""


def test_a_command_that_has_ended_by_itself_takes_no_time():
    with subprocess.Popen(["true"], start_new_session=True) as command:
        command.wait()
        began = time.monotonic()
        end_group(command, LONG_S)
        assert time.monotonic() - began < LONG_S / 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets any process be heir to orphans")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets any process be heir to orphans")
def test_the_dead_whom_nobody_buries_are_not_waited_for():
    """As in a container whose first process is no `init`."""
    heir = (
        "import ctypes, os, sys\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER
        f"sys.path[:0] = {[os.path.dirname(__file__)]!r}\n"
        "from test_process_group import LONG_S, SLOW, end_group, wrapped\n"
        "with wrapped(SLOW) as shell:\n"
        "    end_group(shell, LONG_S)\n"
        "    os.killpg(shell.pid, 0)\n"  # the program is still there to be buried
    )
    subprocess.run([sys.executable, "-c", heir], check=True, timeout=LONG_S / 2)
