"""Fixtures for the tests of several parts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from reference_server import ReferenceServer

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes is no property of the code
hypothesis.settings.load_profile("untimed")
# A shell that puts the tests into the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a fixture of its module goes to one worker: such a fixture is a run, and must not be made twice."""
    for item in items:
        shared = (one.scope for many in item._fixtureinfo.name2fixturedefs.values() for one in many)  # type: ignore[attr-defined]
        if "module" in shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


StartServer = Callable[..., ReferenceServer]


@pytest.fixture
def start_reference_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start reference servers with options of their own: `start_reference_server("--no-ai", ...)`."""
    with ExitStack() as stack:

        def start(*options: str) -> ReferenceServer:
            folder = tmp_path / f"server-{len(list(tmp_path.glob('server-*')))}"
            folder.mkdir()
            server = ReferenceServer(folder, options)
            stack.callback(server.kill)
            return server

        yield start


@pytest.fixture
def reference_server(start_reference_server: StartServer) -> ReferenceServer:
    """A reference server that answers fast: first of five chunks after 20 ms, the others 2 ms apart."""
    return start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5")


@pytest.fixture(scope="session")
def reference_server_of() -> type[ReferenceServer]:
    """For fixtures that tests share: `reference_server_of(folder, options)`, which whoever starts it ends."""
    return ReferenceServer
