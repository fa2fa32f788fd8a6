"""Figures to text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.peers.figures import CpuRow, MemoryRow, Spread
from benchmarks.peers.measure import Held
from benchmarks.peers.others import LOUD

Cells = list[str]


def table(head: Cells, rows: list[Cells]) -> str:
    """Columns as wide as need be, the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    )


def spread(value: Spread | None, digits: int = 2) -> str:
    """`2.51 (2.40-2.63)`, or a dash."""
    if value is None or value.median != value.median:  # NaN
        return "–"
    text = f"{value.median:.{digits}f}"
    return text if value.low == value.high else f"{text} ({value.low:.{digits}f}-{value.high:.{digits}f})"


def _percent(value: Spread) -> str:
    return "–" if value.median != value.median else f"{100 * value.median:.0f} %"


def cpu(rows: list[CpuRow]) -> str:
    """CPU a frame."""
    head = ["client", "work", "rounds", "frames", "us/frame", "x floor", "x k6", "start s", "wall s", "server core"]
    return table(
        head,
        [
            [
                *(row.tool, row.work, str(row.rounds), f"{row.frames:,}", spread(row.us_a_frame, 1)),
                *(spread(row.to_floor), spread(row.to_k6), spread(row.start_s)),
                *(spread(row.wall_s, 1), _percent(row.server_share)),
            ]
            for row in rows
        ],
    )


def remarks(rows: list[CpuRow]) -> Iterator[str]:
    """What the columns leave out, for each client that has it."""
    for row in rows:
        name, rounds = f"{row.tool}, {row.work}", f"of {row.rounds} rounds"
        if row.disturbed:
            yield f"{name}: disturbed in {row.disturbed} {rounds} (others used over {LOUD:g} of a core)"
        if row.invalid:
            yield f"{name}: called its latencies invalid in {row.invalid} {rounds}"
        if row.with_children != row.us_a_frame:
            yield (
                f"{name}: {spread(row.with_children, 1)} us/frame with its children, "
                "which make summary and plots after the load"
            )


def memory(rows: list[MemoryRow]) -> str:
    """Memory a connection."""
    few, many = rows[0].connections
    return table(
        ["client", "rounds", f"RSS of {few:,} MB", f"RSS of {many:,} MB", "KB/connection", "x k6"],
        [
            [
                *(row.tool, str(row.rounds), f"{row.rss[0] / 1e6:.1f}", f"{row.rss[1] / 1e6:.1f}"),
                *(spread(row.kb_a_connection, 1), spread(row.to_k6, 3)),
            ]
            for row in rows
        ],
    )


def hold(rows: list[Held]) -> str:
    """Very many connections in one process."""
    return table(
        ["client", "connections", "open s", "idle core", "RSS MB"],
        [
            [
                *(row.tool, f"{row.connections:,}", "–" if row.open_s is None else f"{row.open_s:.1f}"),
                *("–" if row.idle_share is None else f"{100 * row.idle_share:.1f} %", f"{row.rss / 1e6:.0f}"),
            ]
            for row in rows
        ],
    )


def facts(values: Mapping[str, object]) -> str:
    """`key value, key value`."""
    return ", ".join(f"{key} {value}" for key, value in values.items())
