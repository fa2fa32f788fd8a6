"""Locust masters of tests that run side by side need a port each."""

import socket
from contextlib import closing

import pytest


@pytest.fixture(autouse=True)
def own_master_port(monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = str(listener.getsockname()[1])
    monkeypatch.setenv("LOCUST_MASTER_BIND_PORT", port)
    monkeypatch.setenv("LOCUST_MASTER_NODE_PORT", port)
