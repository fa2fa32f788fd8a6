"""What somebody gets who installs the wheel, and has no checkout."""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source without the network."""
    folder = tmp_path_factory.mktemp("dist")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    subprocess.run([*PIP, *build], check=True, stdin=subprocess.DEVNULL)
    (built,) = folder.glob("chat_loadtest-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`bin` of a fresh environment that has the wheel; what it depends on is borrowed from that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    install = ("--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index", str(wheel))
    subprocess.run([*PIP, *install], check=True, stdin=subprocess.DEVNULL)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))  # behind its own: the wheel comes first
    return folder / "bin"


def call(command, folder):
    """The finished process, with nothing of ours in its environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOADTEST_", "PYTHON"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=clean,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )


def test_it_brings_every_locustfile(wheel):
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("loadtest/locustfiles/")}
    assert carried == {f"loadtest/locustfiles/{path.name}" for path in (ROOT / "locustfiles").glob("*.py")} != set()


def test_it_is_the_wheel_that_runs(installed, tmp_path):
    where = call([installed / "python", "-c", "import loadtest; print(loadtest.__file__)"], tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)


def test_a_run_needs_no_checkout(installed, tmp_path):
    run = call([installed / "loadtest", "run", "-u", "4", "-r", "4", "-t", "3s", "--warmup", "0"], tmp_path)
    summary = json.loads((tmp_path / "results" / "latest" / "summary.json").read_text())
    assert run.returncode == (3 if summary["verdict"]["status"] == "invalid" else 0), run.stdout
    assert summary["counts"]["delivered"] > 0
    assert summary["run"]["scenario"] == "chat"


def test_it_declares_all_that_it_imports():
    """Directly, or by what a declared one brings."""
    imported = {name for path in (ROOT / "loadtest").rglob("*.py") for name in imports(path)}
    outside = imported - sys.stdlib_module_names - {"loadtest"}
    owners, ours = packages_distributions(), declared()
    assert "locust" in outside
    assert {name for name in outside if ours.isdisjoint(map(normal, owners.get(name, [name])))} == set()


def imports(path):
    """Top-level names of what a module imports by an absolute name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def declared():
    """Names of the distributions that an installation of ours brings, with its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = (*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra))
    found, left = set(), [Requirement(text) for text in texts]
    while left:
        wanted = left.pop()
        name = normal(wanted.name)
        if name in found and not wanted.extras:
            continue
        found.add(name)
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except PackageNotFoundError:  # for another platform
            continue
        extras = wanted.extras or {""}
        left += [
            need for need in needs if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras)
        ]
    return found


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()
