"""`loadtest compare`: is one build slower than another, from several runs of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from loadtest.settings import one_of

from .options import Parsed
from .summarize import Format
from .terms import asked, terms_options

if TYPE_CHECKING:
    from loadtest.analysis.compare import Comparison

AGAINST: Final = "--against"
REGRESSION: Final = 1
_ACROSS: Final = (
    "runs of several machines: what these differ by, as in versions of Python and libraries, is in every change; "
    "`loadtest ab` on one has none of it"
)


class AgainstCommand(click.Command):
    """Lets --against take several values in a row, as `BASE... --against CANDIDATE...` reads."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        return super().parse_args(ctx, spread(args))


def spread(words: list[str]) -> list[str]:
    """`a --against b c --force` as `a --against b --against c --force`."""
    found: list[str] = []
    following = False
    for word in words:
        if word == AGAINST:
            following = True
            continue
        following = following and not word.startswith("-")
        found += [AGAINST, word] if following else [word]
    return [*found, AGAINST] if words[-1:] == [AGAINST] else found


@click.command("compare", cls=AgainstCommand)
@click.argument("base", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="BASE...")
@click.option(AGAINST, "candidate", type=click.Path(path_type=Path), multiple=True, metavar="CANDIDATE...",
              help="Runs of the candidate: run folders, or folders of some.")  # fmt: skip
@click.option("--across-machines", is_flag=True,
              help="Take runs of several machines of one kind, as in CI: sure of large changes only.")  # fmt: skip
@terms_options
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json or markdown.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False),
              help="File for a picture: .png, .svg or .pdf.")  # fmt: skip
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False),
              help="File for all of it as one page.")  # fmt: skip
@click.pass_context
def compare(
    context: click.Context,
    /,
    base: tuple[Path, ...],
    candidate: tuple[Path, ...],
    across_machines: bool,
    force: bool,
    kind: Format,
    output: Path | None,
    page: Path | None,
    **_terms: Any,
) -> int:
    """Compare runs of a BASE build with runs of a candidate, metric by metric.

    Runs are paired by their label `pair`. A finished or broken-off `ab` folder, alone, is concluded again, by its own
    terms where no others are given. Exits with 1 where a gate regressed.
    """
    from loadtest.analysis.compare import Terms  # noqa: PLC0415  # numpy, only now

    from .builds import compare_builds, open_samples, sides  # noqa: PLC0415

    if candidate:
        asked(context, Terms())  # refused before any run is read
    found = sides(base, candidate)
    terms = asked(context, found.terms)
    first, second = open_samples(found.base), open_samples(found.candidate)
    notes = [*found.notes, *([_ACROSS] if across_machines else [])]
    builds = compare_builds(first, second, terms, notes, force=force or found.force, machine=not across_machines)
    click.echo(shown(builds.result, kind), nl=False)  # before what may fail
    tell(builds.result)
    if output is not None:
        from .build_pictures import draw_comparison  # noqa: PLC0415  # matplotlib, only now

        draw_comparison(builds, [output])
    if page is not None:
        from .comparison_page import write_comparison_page  # noqa: PLC0415

        write_comparison_page(builds, page, "--html")
    return exit_code(builds.result)


def shown(result: Comparison, kind: Format, files: str = "") -> str:
    """A comparison in one of its formats."""
    from loadtest.report import comparison_table as table  # noqa: PLC0415  # rich, only now

    if kind is Format.JSON:
        return table.as_json(result) + "\n"
    if kind is Format.MARKDOWN:
        return table.markdown(result)
    return table.text(result, files=files, color=sys.stdout.isatty())


def tell(result: Comparison) -> None:
    """Add it to the summary of a job of continuous integration."""
    from loadtest.report.comparison_table import markdown  # noqa: PLC0415

    from .ci import add_to_job_summary  # noqa: PLC0415

    add_to_job_summary(markdown(result))


def exit_code(result: Comparison) -> int:
    """1 for a regression; to know too little is no failure."""
    return REGRESSION if result.verdict == "regressed" else 0
