"""`--outage-command`: when it runs, and how a run of it may end."""

import itertools
import os
import sys
import time

import gevent
import psutil
import pytest
from gevent import subprocess
from gevent.socket import wait_read

from loadtest.errors import UsageError
from loadtest.load.outage_command import OutageCommands, check_moments, moments
from loadtest.settings import settings


@pytest.mark.parametrize(
    ("at_s", "every_s", "expected"),
    [
        ((30.0, 10.0), None, [10, 30]),
        ((), 20.0, [20, 40, 60, 80]),
        ((5.0,), 20.0, [5, 25, 45, 65]),
        ((5.0, 30.0), 20.0, [5, 25, 30, 45]),
        ((10.0, 15.0), 5.0, [10, 15, 20, 25]),
        ((10.0, 10.0, 30.0), None, [10, 30]),
    ],
    ids=["at", "every", "at first, and every", "both", "both at once", "the same twice"],
)
def test_moments(at_s, every_s, expected):
    assert list(itertools.islice(moments(at_s, every_s), 4)) == expected


def run_of(words, **options):
    """The one run of a command."""
    done = []
    chosen = settings({"outage_command": words, "outage_at": "1ms"} | options)
    commands = OutageCommands(chosen, time.monotonic_ns(), done.append)
    return commands, done


def python(code):
    return f"{sys.executable} -c '{code}'"


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (python("pass"), "ok"),
        (python("raise SystemExit(3)"), "exit 3"),
        ("no-such-program --now", "not found"),
        (python("import time; time.sleep(60)"), "timeout"),
    ],
    ids=["ok", "fails", "missing", "hangs"],
)
def test_every_end_has_a_name(words, outcome):
    commands, done = run_of(words, outage_timeout="200ms" if outcome == "timeout" else "30s")
    with gevent.Timeout(20):
        while not done:
            gevent.sleep(0.01)
    assert [each.outcome for each in done] == [outcome]
    assert done[0].ended_ns > done[0].began_ns
    commands.stop()


def test_a_moment_at_which_it_still_runs_is_told_and_not_caught_up():
    done = []
    words = python("import time; time.sleep(60)")
    chosen = settings({"outage_command": words, "outage_at": ("1ms", "100ms"), "outage_timeout": "300ms"})
    began = time.monotonic_ns()
    commands = OutageCommands(chosen, began, done.append)
    with gevent.Timeout(20):
        while len(done) < 2:
            gevent.sleep(0.01)
    commands.stop()
    assert [each.outcome for each in done] == ["timeout", "skipped, as the one before it still ran"]
    assert done[1].began_ns == began + 100_000_000


def running():
    """The commands of these tests that run now, as processes."""
    return [child for child in psutil.Process().children() if "time.sleep(60)" in " ".join(child.cmdline())]


class SlowlyStarted(subprocess.Popen):
    """A process that runs for a while before whoever starts it knows it: the time to read that `exec` went well."""

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        gevent.sleep(0.2)


@pytest.mark.parametrize("started", [subprocess.Popen, SlowlyStarted], ids=["while it runs", "while it is started"])
def test_the_end_of_the_run_ends_it_too(started, monkeypatch):
    monkeypatch.setattr("loadtest.load.outage_command.subprocess.Popen", started)
    commands, done = run_of(python("import time; time.sleep(60)"))
    with gevent.Timeout(20):
        while not running():
            gevent.sleep(0.01)
    commands.stop()
    assert [each.outcome for each in done] == ["run ended"]
    assert running() == []


def test_what_a_command_has_started_ends_with_it_though_it_heeds_no_signal(tmp_path, monkeypatch):
    monkeypatch.setattr("loadtest.load.outage_command.ENDING_S", 0.2)
    script = tmp_path / "started.py"
    script.write_text(
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pipe = os.open(sys.argv[1], os.O_WRONLY)\n"  # held until it ends
        "os.write(pipe, b'!')\n"
        "while True:\n"
        "    signal.pause()\n"
    )
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    life = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    commands, done = run_of(f"sh -c '{sys.executable} {script} {pipe} & wait'")
    try:
        with gevent.Timeout(20):
            wait_read(life)
            assert os.read(life, 1) == b"!"
            commands.stop()
            wait_read(life)
            assert os.read(life, 1) == b"", "whoever held the pipe is gone"
    finally:
        os.close(life)
    assert [each.outcome for each in done] == ["run ended"]


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"outage_at": ("10s", "30s")}, "--outage-at: 30 s is not within --run-time 30 s"),
        ({"outage_every": "40s"}, "--outage-every: 40 s is not within --run-time 30 s"),
    ],
)
def test_a_moment_that_never_comes_is_refused(options, option):
    chosen = settings({"outage_command": "true"} | options)
    with pytest.raises(UsageError) as caught:
        check_moments(chosen, 30.0)
    assert str(caught.value).startswith(option)


def test_moments_that_come_are_not_refused():
    check_moments(settings({"outage_command": "true", "outage_at": "10s", "outage_every": "40s"}), 30.0)
    check_moments(settings({"loss_every": "40s"}), 30.0)
    check_moments(settings({"outage_command": "true", "outage_at": "40s"}), None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outage_at": "5s"}, "--outage-at: says when --outage-command runs"),
        (
            {"outage_every": "5s"},
            "--outage-every: says when --outage-command runs; give that, or --loss-every for users who lose their "
            "connections by themselves",
        ),
        ({"outage_command": "true"}, "--outage-command: when is it to run? Give --outage-at or --outage-every"),
        ({"outage_command": "'x"}, '--outage-command: "\'x" is no command (No closing quotation)'),
        ({"outage_command": "  "}, "--outage-command: is empty"),
        ({"reconnect_max": "500ms"}, "--reconnect-max: is below --reconnect-base"),
        (
            {"reconnect_jitter": "2"},
            "--reconnect-jitter: '2' is no share: give a percentage from 0% to below 100%, as in 5%",
        ),
        ({"read_pause": "20s"}, "--read-pause: leaves no time to read"),
    ],
)
def test_options_that_cannot_work(options, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are what is looked at
        settings(options)
    assert str(caught.value).startswith(words)
