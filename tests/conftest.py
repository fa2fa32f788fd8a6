"""Fixtures for the tests of several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from reference_server import ReferenceServer

hypothesis.settings.register_profile("untimed", deadline=None)  # how long an example takes is no property of the code
hypothesis.settings.load_profile("untimed")

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
