"""`loadtest selftest`: what this machine can measure, held against a server that knows the truth."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from loadtest.errors import NothingMeasured, RunFolderError
from loadtest.settings import one_of, positive_duration, positive_int

from .interrupt import one_interrupt
from .options import Parsed
from .summarize import Format

if TYPE_CHECKING:
    from loadtest.analysis.selftest import Selftest

LEVEL_S: Final = 6.0
LONGEST_LEVEL_S: Final = 600.0
BROKEN_PROMISE: Final = 1
FILES: Final = ("selftest.json", "selftest.png", "selftest.svg")


def levels(text: str) -> tuple[int, ...]:
    """`100,200,400` as numbers of users, ascending."""
    return tuple(sorted({positive_int(part) for part in text.split(",")}))


def level_time(text: str) -> float:
    """A duration above 0 and of at most ten minutes."""
    seconds = positive_duration(text)
    if seconds > LONGEST_LEVEL_S:
        raise ValueError(f"{text!r} is longer than {LONGEST_LEVEL_S / 60:g} min; a few seconds will do")
    return seconds


@click.command("selftest")
@click.option("-t", "--level-time", type=Parsed(level_time, "TIME"), default=f"{LEVEL_S:g}s", show_default=True,
              help="Time of load at each level, once its users are there.")  # fmt: skip
@click.option("-u", "--users", type=Parsed(levels, "NUMBERS"),
              help="Users of each level, with commas [default: 200,400,800,1200,1600].")  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), envvar="LOADTEST_RESULTS",
              default="results", show_default=True, help="Folder in which selftest-<stamp> is made.")  # fmt: skip
@click.option("--format", "kind", type=Parsed(one_of(Format), "FORMAT"), default="text", show_default=True,
              help="text, json (the content of selftest.json) or markdown.")  # fmt: skip
def selftest(level_time: float, users: tuple[int, ...] | None, results: Path, kind: Format) -> int:
    """Measure a server that logs the true moment of each frame, at rising load, and print how far off we are.

    Ends with the largest load that this machine measures within 1 ms and 1 %, and shows that a generator which is
    disturbed on purpose is not called valid. Exits with 1 where a run that was called valid is wrong.
    """
    from loadtest.experiment import selftest as experiment  # noqa: PLC0415  # numpy, only now
    from loadtest.runs.folder import create_apart  # noqa: PLC0415

    folder = create_apart(results, "selftest", datetime.now(UTC))
    with one_interrupt():
        result = experiment.selftest(
            users or experiment.USERS, level_time, folder, lambda line: click.echo(line, err=True)
        )
    _leave(result, folder)
    click.echo(_shown(result, folder, kind), nl=False)
    return _exit_code(result)


def _exit_code(result: Selftest) -> int:
    if result.broken:
        return BROKEN_PROMISE
    return 0 if any(level.holds for level in result.levels) else NothingMeasured.exit_code


def _shown(result: Selftest, folder: Path, kind: Format) -> str:
    from loadtest.report import selftest_table as table  # noqa: PLC0415  # rich, only now

    if kind is Format.JSON:
        return table.as_json(result) + "\n"
    if kind is Format.MARKDOWN:
        return table.markdown(result)
    return table.text(result, files=f"{folder}: {', '.join(FILES)}", color=sys.stdout.isatty())


def _leave(result: Selftest, folder: Path) -> None:
    from loadtest.report.figure import save  # noqa: PLC0415  # matplotlib, only now
    from loadtest.report.selftest_plot import selftest_plot  # noqa: PLC0415
    from loadtest.report.selftest_table import as_json  # noqa: PLC0415

    record, *pictures = (folder / name for name in FILES)
    try:
        record.write_text(as_json(result) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write {record}: {error.strerror}") from None
    figure = selftest_plot(result)
    for picture in pictures:
        save(figure, picture)
