"""Somebody else's backend: Node with `ws` and `jsonwebtoken`, alone and behind nginx."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from reference_server import SECRET

pytest.register_assert_rewrite("both_sides")

BACKEND = Path(__file__).with_name("backend")
STOP_TIMEOUT_S = 10.0
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        location /ws {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_read_timeout {idle_timeout};
        }}
        location /api/ {{
            proxy_pass http://127.0.0.1:{api}/;
        }}
    }}
}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes all tests of this folder: packages are installed once, and runs do not disturb each other."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("interop"))


def program(name: str, package: str) -> str:
    """Path of a program; without it the test is skipped, but in CI, where .ci/run brings it, it fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing; install {package}")
    return found


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the lock file, in a folder of the user's cache that is named after its content."""
    npm = program("npm", "Node 18 or newer, with npm")
    lock = (BACKEND / "package-lock.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chat-loadtest"
    installed = caches / f"interop-{hashlib.sha256(lock).hexdigest()[:12]}" / "node_modules"
    if installed.is_dir():
        return installed
    caches.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=caches) as name:
        folder = Path(name) / "new"
        folder.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(BACKEND / file, folder)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        npm_ci = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert npm_ci.returncode == 0, npm_ci.stderr
        if not installed.is_dir():  # as another session may have made it meanwhile
            folder.rename(installed.parent)
    return installed


class Backend:
    """`node server.js` on a free port, in a process of its own.

    Attributes:
        port: where it listens, on 127.0.0.1.
        url: its address.
    """

    def __init__(self, node: str, node_modules: Path, options: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [node, str(BACKEND / "server.js"), *options],
            env=os.environ | {"NODE_PATH": str(node_modules), "JWT_SECRET": SECRET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])
        self.url = f"{'wss' if '--cert' in options else 'ws'}://localhost:{self.port}/ws"

    def stop(self) -> dict[str, int]:
        """End it; what it counted."""
        self._process.terminate()
        text, _ = self._process.communicate(timeout=STOP_TIMEOUT_S)
        counts: dict[str, int] = json.loads(text)
        return counts

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def start_backend(node_modules: Path) -> Iterator[Any]:
    """Start backends with options of their own: `start_backend("--limit", "3")`."""
    with ExitStack() as stack:

        def start(*options: str) -> Backend:
            backend = Backend(program("node", "Node 18 or newer"), node_modules, options)
            stack.callback(backend.kill)
            return backend

        yield start


@dataclass(frozen=True)
class Authority:
    """A private CA.

    Attributes:
        file: its certificate.
        certificate: certificate for `localhost`, with its key, in one file.
        trust: the option that makes a run trust it.
    """

    file: Path
    certificate: Path

    @property
    def trust(self) -> tuple[str, str]:
        return ("--ca-file", str(self.file))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA as companies have it, unknown to the system."""
    folder = tmp_path_factory.mktemp("authority")
    made = trustme.CA()
    made.cert_pem.write_to_path(folder / "ca.pem")
    made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "localhost.pem")
    return Authority(folder / "ca.pem", folder / "localhost.pem")


@pytest.fixture
def start_proxy(authority: Authority, tmp_path: Path) -> Iterator[Any]:
    """Put nginx with TLS before a port: `start_proxy(upstream, "1s")`; returns the address to connect to.

    `api` is the port of what answers below /api/.
    """
    nginx = program("nginx", "Debian's package nginx")
    with ExitStack() as stack:

        def start(upstream: int, idle_timeout: str, api: int = 9) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1]
            configuration = tmp_path / "nginx.conf"
            configuration.write_text(
                NGINX.format(
                    user="user root;" if os.getuid() == 0 else "",  # else its worker may not enter the folder
                    folder=tmp_path,
                    port=port,
                    certificate=authority.certificate,
                    upstream=upstream,
                    api=api,
                    idle_timeout=idle_timeout,
                )
            )
            process = subprocess.Popen(
                [nginx, "-e", "stderr", "-c", str(configuration)],
                # It takes over the socket, as at an upgrade of itself: no port can be lost between choice and bind.
                env=os.environ | {"NGINX": f"{listener.fileno()};"},
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=stack.enter_context((tmp_path / "nginx.log").open("w")),
                start_new_session=True,
            )
            stack.callback(process.wait, STOP_TIMEOUT_S)
            stack.callback(process.terminate)
            with ssl.create_default_context(cafile=str(authority.file)).wrap_socket(
                socket.create_connection(("127.0.0.1", port), timeout=STOP_TIMEOUT_S), server_hostname="localhost"
            ):
                pass  # it answers
            return f"wss://localhost:{port}/ws"

        yield start


class Run:
    """A finished `loadtest run`.

    Attributes:
        code: its exit code.
        output: what it printed, stdout and stderr.
        folder: its run folder; may be missing.
    """

    def __init__(self, results: Path, url: str, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOADTEST_")}
        finished = subprocess.run(
            [sys.executable, "-m", "loadtest", "run", "--host", url, "--results", str(results), *options],
            env=clean | {"LOADTEST_JWT_SECRET": SECRET} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,
        )
        self.code, self.output, self.folder = finished.returncode, finished.stdout, results / "latest"

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return summary

    @property
    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.summary["counts"]
        return counts


@pytest.fixture
def run_against(tmp_path: Path) -> Any:
    """Run `loadtest run`: `run_against(url, "-u", "4", LOADTEST_LABEL="a=b")`."""

    def run(url: str, *options: str, **environment: str) -> Run:
        return Run(tmp_path / "results", url, options, environment)

    return run
