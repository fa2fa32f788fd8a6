"""Where tables are printed into, for a text that may go to a terminal or a file."""

from __future__ import annotations

from io import StringIO

from rich.console import Console


def sheet(width: int, *, color: bool) -> Console:
    """A console that keeps what is printed, to be captured.

    Args:
        width: columns.
        color: with the escapes of a terminal.
    """
    return Console(
        file=StringIO(), width=width, force_terminal=color, color_system="standard" if color else None, highlight=False
    )
