"""What the tests of all commands share."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_options_of_this_shell(monkeypatch):
    """Only what a test sets itself is in the environment of a command."""
    for name in os.environ:
        if name.startswith("LOADTEST_") or name == "GITHUB_STEP_SUMMARY":
            monkeypatch.delenv(name)
