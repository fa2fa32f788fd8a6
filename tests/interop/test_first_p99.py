"""A stranger's way from the wheel to the first p99, as the README tells it: `docs/first-p99.md` is what it printed.

The backend is Node with `ws`, behind nginx with the certificate of a private authority; accounts and conversations are
those of an HTTP server behind the same nginx. Every step before the last is a mistake, and is told how to mend it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from login_server import login_server

ROOT = Path(__file__).parents[2]
LOAD = ("-u", "20", "-r", "20", "-t", "12s", "--rate-limit", "10/1s", "--message-rate", "2/1s", "--warmup", "1s")


class Stranger:
    """Types commands in an empty folder, with the environment that the last `export` left.

    Attributes:
        transcript: what was typed and what was printed.
        last: the last command, finished.
    """

    def __init__(self, home):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADTEST_", "PYTHON"))}
        self._environment = kept | {"PATH": f"{home / 'venv' / 'bin'}:{kept['PATH']}", "COLUMNS": "100"}
        self._home = home
        self.transcript = ""
        self.last = None

    def export(self, **values):
        self._environment |= values
        self.transcript += "".join(f"$ export {name}={value}\n" for name, value in values.items())

    def types(self, command):
        """Run a line of the shell; returns its exit code."""
        self.last = subprocess.run(
            ["sh", "-c", command], cwd=self._home, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
        )  # fmt: skip
        shown = "".join(f"{line}\n" for line in self.last.stdout.splitlines() if "\r" not in line)
        self.transcript += f"$ {command}\n{shown}"
        return self.last.returncode

    @property
    def said(self):
        return self.last.stdout.splitlines()


@pytest.fixture
def stranger(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*build, "--wheel-dir", str(home), str(ROOT)], check=True, stdin=subprocess.DEVNULL)
    made = Stranger(home)
    yield made
    (tmp_path / "transcript.txt").write_text(made.transcript)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_from_the_wheel_to_the_first_p99(stranger, start_backend, start_proxy, authority):
    backend = start_backend("--limit", "10", "--window-ms", "1000", "--compression")
    with login_server() as accounts:
        url = start_proxy(backend.port, "60s", api=urlsplit(accounts.url).port)
        assert stranger.types(f"{sys.executable} -m venv venv && venv/bin/pip -qq install chat_loadtest-*.whl") == 0
        run = f"loadtest run --host {url} {' '.join(LOAD)}"

        assert stranger.types(run) == 2
        assert "LOADTEST_JWT_SECRET" in stranger.said[-1]

        stranger.export(LOADTEST_JWT_SECRET="a-guess-that-is-long-enough-for-HS256")
        assert stranger.types(run) == 2
        assert "--ca-file" in stranger.said[-1]

        run += f" --ca-file {authority.file}"
        assert stranger.types(run) == 2
        assert "AUTH_FAILED" in stranger.said[-1]
        assert "--jwt-secret" in stranger.said[-1]

        where = 'python -c "import loadtest; print(loadtest.__path__[0])"'
        assert stranger.types(f"cp $({where})/locustfiles/own_login.py .") == 0
        stranger.export(APP=f"https://{urlsplit(url).netloc}/api", LOAD_PASSWORD="HUSH")
        run += " -f own_login.py"
        assert stranger.types(run) in (0, 3), stranger.transcript
        (ack,) = [line for line in stranger.said if line.startswith(" ack delivered")]
        p99 = re.split(r"\s{2,}", ack.strip())[4]
        assert re.fullmatch(r"[\d.]+ m?s", p99), stranger.transcript
        assert (accounts.count("/login"), accounts.count("/conversations")) == (21, 20)
        assert stranger.types("loadtest gate results/latest --slo 'delivered_ratio > 90%'") in (0, 3)
    assert "HUSH" not in stranger.transcript.replace("LOAD_PASSWORD=HUSH", "")
    assert backend.stop()["authenticated"] == 21
