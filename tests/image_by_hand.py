"""The steps of the Dockerfile without an engine: a folder stands for the root of the image's file system."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_IMAGE = re.compile(r"(?<![\w.-])/(?=(opt|usr/local|data|locustfiles|src|tmp)\b)")
ANYBODY = 12_345
AS_ANYBODY = ("setpriv", "--reuid", str(ANYBODY), "--regid", str(ANYBODY), "--clear-groups", "env")
"""By way of `env`, since what root starts as another user it still finds with the rights of root."""


def python_for_anybody():
    """A Python that a user without a home may run; None without one, or where we cannot become that user."""
    fit = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
    for python in (sys._base_executable, "/usr/bin/python3"):
        try:
            if subprocess.run([*AS_ANYBODY, python, "-c", fit], capture_output=True, check=False).returncode == 0:
                return python
        except FileNotFoundError:
            return None
    return None


class Image:
    """What `docker build` would leave.

    Args:
        root: an empty folder that everybody may enter.
        python: stands for that of the image.

    Attributes:
        folder: the working directory.
    """

    def __init__(self, root, python):
        self._root, self._python = root, python
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        (root / "usr/local/bin").mkdir(parents=True)
        self.folder, self._environment, self._entry = root, {}, []
        for line in re.sub(r"\\\n|^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).splitlines():
            word, _, rest = line.partition(" ")
            self._step(word, IN_IMAGE.sub(f"{root}/", rest))

    def _step(self, word, rest):
        if word == "FROM":
            self._environment = {"PATH": f"{self._root}/usr/local/bin:/usr/local/bin:/usr/bin:/bin"}
        elif word == "WORKDIR":
            self.folder = Path(rest)
            self.folder.mkdir(exist_ok=True)
        elif word == "COPY" and not rest.startswith("--from="):  # both stages have the same root
            *sources, target = shlex.split(rest)
            for source in sources:
                self._copy(ROOT / source, self.folder / target)
        elif word == "RUN":
            ours = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}
            script = f'set -e; umask 022; python() {{ {self._python} "$@"; }}; {rest}'
            done = subprocess.run(
                ["sh", "-c", script],
                cwd=self.folder, env=ours | self._environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
        elif word == "ENV":
            for name, _, value in (pair.partition("=") for pair in shlex.split(rest)):
                self._environment[name] = value.replace("$PATH", self._environment["PATH"])
        elif word == "ENTRYPOINT":
            self._entry = json.loads(rest)

    def _copy(self, source, target):
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    def run(self, *words, **environment):
        """`docker run --user 12345`; the finished process."""
        return subprocess.run(
            [*AS_ANYBODY, *self._entry, *words],
            cwd=self.folder, env=self._environment | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, check=False,
        )  # fmt: skip

    def written(self):
        """The files that the user of `run` has left, from the root on."""
        return [path.relative_to(self._root) for path in self._root.rglob("*") if path.lstat().st_uid == ANYBODY]
