"""README and chapters: every link leads somewhere, and every command line of ours is one that the tool takes."""

import re
import shlex
from pathlib import Path

import click
import pytest

from loadtest.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))))
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
TRANSCRIPT = "docs/first-p99.md"
"""Printed by its own test."""


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page):
    """The names that a renderer gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(text_of(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.relative_to(ROOT)), anchor


def test_the_readme_leads_to_every_chapter():
    linked = {target for target, _ in LINK.findall(text_of("README.md"))}
    assert set(PAGES[1:]) <= linked


def commands_on(page):
    """The words of each line of code that calls `loadtest`, without what is beside it."""
    joined = text_of(page).replace("\\\n", " ")
    lines = re.findall(r"^(?:    |)(?:echo \w+ \| )?(loadtest [a-z].*)$", joined, re.MULTILINE)
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words[1] in COMMANDS]


@pytest.mark.parametrize("page", [page for page in PAGES if page != TRANSCRIPT])
def test_commands_are_ours_and_take_these_options(page):
    for words in commands_on(page):
        command = cli.get_command(click.Context(cli), words[1])
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        given = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-zA-Z]", word)}
        assert given <= known | {"--help"}, words


def test_the_lines_of_the_readme_are_found():
    """A pattern that finds nothing would hold anything."""
    found = {words[1] for words in commands_on("README.md")}
    assert {"serve", "capacity", "run", "summarize", "gate", "plot", "trend", "ab", "compare"} <= found
