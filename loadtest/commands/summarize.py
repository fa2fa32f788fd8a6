"""`loadtest summarize`: a run in numbers, on stdout."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click

from loadtest.settings import one_of

from .options import Parsed


class Format(StrEnum):
    """How to print a summary."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class By(StrEnum):
    """What to split a summary by."""

    BEHAVIOUR = "behaviour"


@click.command("summarize")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json (the content of summary.json) or markdown.")  # fmt: skip
@click.option("--by", type=Parsed(one_of(By), "BY"), help="behaviour: the numbers of each user class.")
def summarize(run: Path, kind: Format, by: By | None) -> None:
    """Print the numbers of a RUN folder, such as results/latest; also of one that still goes on or was killed."""
    from loadtest.report.render import as_json, as_markdown, as_text  # noqa: PLC0415  # numpy and rich, only now

    from .opened import open_run  # noqa: PLC0415

    opened = open_run(run)
    if kind is Format.JSON:
        click.echo(as_json(opened.summary))
    opened.refuse_if_empty()
    if kind is Format.MARKDOWN:
        click.echo(as_markdown(opened.summary, by_behaviour=by is By.BEHAVIOUR), nl=False)
    elif kind is Format.TEXT:
        click.echo(as_text(opened.summary, by_behaviour=by is By.BEHAVIOUR), nl=False)
