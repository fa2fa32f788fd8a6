"""What the figures of a benchmark hold for."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

Facts = dict[str, str | int | None]


def machine() -> Facts:
    """Processor, cores, system, versions and day."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def hardware() -> Facts:
    """Processor, cores and kernel, for those who name versions of their own beside them."""
    return {"cpu": processor(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


def processor() -> str:
    """Its name, as the system gives it."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
