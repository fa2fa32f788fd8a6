"""What all plots share: a figure without global state, its look, and its files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.typing import LineStyleType

from loadtest.analysis.values import Verdict
from loadtest.errors import UsageError

DPI: Final = 150
FORMATS: Final = ("png", "svg", "pdf")
GREY: Final = "#777777"
WARNING: Final = "#b3261e"
VERDICT_COLORS: Final = {"valid": GREY, "suspect": "#8a5a00", "invalid": WARNING}
COLORS: Final = ("#0b5cad", "#c4500c", "#2c7a3f", "#7a3b9a", "#8a6a00", "#0f7c83")
"""Dark enough on white to tell apart in print, where line styles and markers do."""
LINES: Final[tuple[LineStyleType, ...]] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS: Final = ("o", "s", "^", "D", "v", "P")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that belongs to nothing."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headings(figure: Figure, axes: Axes, title: str, subtitle: str, verdicts: Sequence[Verdict]) -> None:
    """Title and subtitle over the uppermost axes, and the verdict of the runs, loud where it is not `valid`."""
    axes.set_title("\n", loc="left", fontsize=9)  # room for two lines, however long they are
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    status, line = _verdict_line(verdicts)
    for text, height, color in ((cut(line), 18, VERDICT_COLORS[status]), (cut(subtitle, 120), 6, GREY)):
        words = axes.annotate(
            literal(text), (0, 1), (0, height), xycoords="axes fraction", textcoords="offset points", fontsize=9,
            color=color, fontweight="normal" if color == GREY else "bold",
        )  # fmt: skip
        words.set_in_layout(False)
    if status == "invalid":
        stamp_invalid(axes)


def stamp_invalid(axes: Axes) -> None:
    """Across a picture of numbers that nobody vouches for."""
    axes.text(
        0.5, 0.5, "INVALID RUN", transform=axes.transAxes, ha="center", va="center", fontsize=44, fontweight="bold",
        color=WARNING, alpha=0.14, rotation=20, zorder=0,
    )  # fmt: skip


def _verdict_line(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """The gravest status among the runs, and what to say of it."""
    for status in ("invalid", "suspect"):
        found = [verdict for verdict in verdicts if verdict.status == status]
        if found:
            what = found[0].reasons[0] if len(verdicts) == 1 else f"{len(found)} of {len(verdicts)} runs"
            return status, f"{status.upper()} RUN: {what}"
    return "valid", "valid run" if len(verdicts) == 1 else f"{len(verdicts)} valid runs"


def literal(text: str) -> str:
    """Text of a person or a server, in which matplotlib is to see no formula."""
    return text.replace("$", r"\$")


def soften(axes: Axes) -> None:
    """A light grid, and no frame where no scale is."""
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def logarithmic(axes: Axes) -> None:
    """A y axis by powers of ten, with 2 and 5 between them; each tick is told by the axis' own formatter."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the ending of the name decides the format.

    Raises:
        UsageError: there is no such format, or the file cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise UsageError(f"{path}: a picture must end in {', '.join(f'.{name}' for name in FORMATS)}")
    try:
        _write(figure, path, kind)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; name a place to write to") from None


def svg(figure: Figure) -> str:
    """A figure as an element of a page."""
    file = StringIO()
    _write(figure, file, "svg")
    markup = file.getvalue()
    return markup[markup.index("<svg") :]


def _write(figure: Figure, target: Path | StringIO, kind: str) -> None:
    # Without a date and with fixed ids, the same run gives the same file.
    with mpl.rc_context({"svg.hashsalt": "loadtest", "svg.fonttype": "none"}), warnings.catch_warnings():
        # a label may be in any script; in an SVG it stays text, in a PNG it is a box
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(target, dpi=DPI, format=kind, metadata={"Date": None} if kind == "svg" else None)
    figure.set_layout_engine("none")  # the places found for the first file serve the next one too


def cut(text: str, length: int = 105) -> str:
    """Text that has room; by default in a bold line of size 9 across a figure."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
