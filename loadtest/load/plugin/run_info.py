"""The facts of a run as they are known at its start."""

from __future__ import annotations

import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from loadtest import __version__
from loadtest.client.dial import KERNEL_STAMPS
from loadtest.client.endpoint import Endpoint
from loadtest.model import RunInfo
from loadtest.objectives import Demands
from loadtest.settings import OPTIONS, Settings, redacted

LIBRARIES: Final = ("locust", "gevent", "websockets", "msgspec", "PyJWT", "numpy")


def run_info(environment: Any, endpoint: Endpoint, settings: Settings, demands: Demands, processes: int) -> RunInfo:
    """What the run folder tells of a run that begins now; holds no secret.

    Args:
        processes: that hold users.
    """
    runner, options = environment.runner, environment.parsed_options
    limit = settings.rate_limit
    return RunInfo(
        scenario=Path(environment.locustfile or "run").stem,
        started_utc=utc_now(),
        started_ns=time.monotonic_ns(),
        tool_version=__version__,
        seed=settings.seed,
        host=endpoint.url,
        proxy=None if endpoint.proxy is None else str(endpoint.proxy),
        command=public_command(sys.argv),
        labels=settings.label,
        options=settings.public(),
        generator=generator_facts(),
        users=None if environment.shape_class else runner.target_user_count or options.num_users,
        processes=processes,
        receive_clock="kernel" if KERNEL_STAMPS else "callback",
        limit_messages=limit.messages if limit else None,
        limit_window_s=limit.window_s if limit else None,
        reply_timeout_s=settings.reply_timeout,
        warmup_s=settings.warmup,
        expect_stream=str(settings.expect_stream),
        present_share=round(settings.present_share, 6),
        objectives=[each.text for each in demands.objectives],
        abort_on=[each.text for each in demands.abort_on],
    )


def generator_facts() -> dict[str, str | int | float | None]:
    """Machine, cores, system, Python and library versions."""
    facts: dict[str, str | int | float | None] = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "node": platform.node(),
        "python": platform.python_version(),
    }
    return facts | {name: version(name) for name in LIBRARIES}


def public_command(argv: list[str]) -> list[str]:
    """The words of a command line without the values of secret options."""
    public, hide = ["locust" if argv[0].endswith("__main__.py") else argv[0]], False
    for word in argv[1:]:
        name, equals, _ = word.partition("=")
        if hide:
            public.append("***")
        elif _is_secret(name) and equals:
            public.append(f"{name}=***")
        else:
            public.append(redacted(word) if "://" in word else word)
        hide = not hide and _is_secret(word)
    return public


def _is_secret(name: str) -> bool:
    """Whether this is a secret option, or short for one: argparse takes `--jwt-s` for `--jwt-secret`."""
    return len(name) > 2 and any(option.secret and f"--{option.name}".startswith(name) for option in OPTIONS)


def utc_now() -> str:
    """This instant, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
