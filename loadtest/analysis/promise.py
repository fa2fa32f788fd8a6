"""What the tool promises of its numbers: no run that is called valid has a p99 of ack or first token further off."""

from __future__ import annotations

from typing import Final

PROMISED: Final = ("ack_delivered", "ttft")
"""Metrics whose p99 is promised."""
ERROR_MS: Final = 1.0
ERROR_SHARE: Final = 0.01
"""A p99 may be off by the larger of 1 ms and 1 % of it (design.md section 3)."""


def allowed_ms(latency_ms: float) -> float:
    """How far off a latency may be."""
    return max(ERROR_MS, ERROR_SHARE * latency_ms)
