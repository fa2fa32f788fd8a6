"""What goes wrong outside of every command's own checks, as a shell sees it."""

import sys
from types import ModuleType

import click
import pytest
from in_process import assert_one_line, loadtest

from loadtest.cli import COMMANDS

LONG = "x" * 300
"""A name that the system refuses to look up, whoever asks; as it does a folder of another user."""


@pytest.mark.parametrize(
    "words",
    [
        ("gate", LONG, "--slo", "sent > 1"),
        ("summarize", LONG),
        ("report", LONG),
        ("export", LONG),
        ("compare", LONG, "--against", "."),
        ("compare", LONG),
        ("trend", LONG),
        ("ab", "--resume", LONG),
    ],
)
def test_a_folder_that_cannot_be_looked_up_is_one_line(words, tmp_path):
    assert_one_line(loadtest(*words, cwd=tmp_path), 2, LONG, "File name too long")


def test_what_the_system_refuses_is_one_line(monkeypatch):
    result = broken_by(monkeypatch, PermissionError(13, "Permission denied", "results/20261124T020000Z-chat"))
    assert_one_line(result, 2, "results/20261124T020000Z-chat: Permission denied", "run as its owner")


def test_a_mistake_of_ours_is_no_verdict(monkeypatch):
    code, out, err = broken_by(monkeypatch, ZeroDivisionError("by nothing"))
    assert (code, out) == (70, "")
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("ZeroDivisionError: by nothing\n")


def broken_by(monkeypatch, error):
    """What is seen of a command that ends by an error."""

    @click.command("broken")
    def broken():
        raise error

    module = ModuleType("loadtest.commands.broken")
    module.broken = broken
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "broken", "broken")
    return loadtest("broken")
