"""A summary in each of its formats."""

from __future__ import annotations

import msgspec

from loadtest.analysis.values import Summary
from loadtest.report.markdown import markdown as as_markdown
from loadtest.report.table import text as as_text

__all__ = ["as_json", "as_markdown", "as_text"]


def as_json(summary: Summary) -> str:
    """The content of `summary.json`, indented."""
    return msgspec.json.format(msgspec.json.encode(summary), indent=2).decode()
