"""What the HTML pages share: their parts, and the templates that they are rendered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES: Final = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading; the first cell of a row names it.

    Attributes:
        states: of each row: `good`, `warn`, `bad` or empty; none where a table tells none.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    states: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot.

    Attributes:
        svg: its markup, made by the tool.
        text: what it shows, for those who cannot see it.
        values: the numbers behind it; None where they stand in another table.
    """

    title: str
    svg: str
    text: str
    values: Table | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A question that a reader comes with.

    Attributes:
        state: `good`, `warn`, `bad` or `none`.
    """

    question: str
    answer: str
    detail: str
    state: str


def rendered(template: str, pictures: Sequence[Picture], **content: Any) -> str:
    """A page; every text in it is escaped but the pictures, in which matplotlib did so."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    drawn = [(picture, Markup(picture.svg)) for picture in pictures]
    return environment.get_template(template).render(pictures=drawn, **content)
