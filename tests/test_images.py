"""The image, and those who start it: what a run writes in the one, the others keep."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def written():
    """Where a run in the image leaves its folder: `--results results`, in the image's working directory."""
    last_stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    (folder,) = re.findall(r"^WORKDIR (\S+)$", last_stage, re.MULTILINE)
    return f"{folder}/results"


@pytest.mark.parametrize(
    ("file", "mount"),
    [
        ("compose.yaml", r'volumes: \["\./results:(\S+)"\]'),
        ("examples/kubernetes/loadtest.yaml", r"mountPath: (\S+?)}"),
        ("Dockerfile", r'-v "\$PWD/results:(\S+)"'),
        ("README.md", r'-v "\$PWD/results:(\S+)"'),
    ],
)
def test_who_starts_the_image_keeps_the_folder_that_it_writes(file, mount, written):
    assert set(re.findall(mount, (ROOT / file).read_text())) == {written}


@pytest.mark.parametrize("file", ["Dockerfile", "README.md"])
def test_a_container_has_the_name_of_its_machine_by_which_runs_are_compared(file):
    text = (ROOT / file).read_text().replace("\\\n", "")
    (run,) = [line for line in text.splitlines() if "docker run" in line and "$PWD/results" in line]
    assert '--hostname "$(hostname)"' in run


def test_compose_starts_as_many_workers_as_its_master_waits_for():
    compose = (ROOT / "compose.yaml").read_text()
    (awaited,) = re.findall(r'--expect-workers, "(\S+?)"', compose)
    (started,) = re.findall(r"^ +scale: (\S+)", compose, re.MULTILINE)
    assert started == awaited == "${WORKERS:-4}"
    assert not [file for file in ("compose.yaml", "README.md") if "--scale" in (ROOT / file).read_text()]


def test_the_master_of_compose_has_one_name_in_every_run():
    compose = (ROOT / "compose.yaml").read_text()
    master = compose.split("\n  master:\n")[1].split("\n  worker:\n")[0]
    assert re.search(r'^    hostname: "\$\{MACHINE:-loadtest\}"', master, re.MULTILINE)


def test_kubernetes_is_told_to_forget_a_run_before_the_next():
    """A finished Job is not started again, and a Deployment's workers always are."""
    how = (ROOT / "examples" / "kubernetes" / "loadtest.yaml").read_text().partition("apiVersion")[0]
    assert how.index("kubectl apply -f loadtest.yaml") < how.index("kubectl delete -f loadtest.yaml")


def test_the_master_of_compose_starts_once_the_server_answers():
    compose = (ROOT / "compose.yaml").read_text()
    server, master = compose.split("\n  server:\n")[1].split("\n  master:\n")
    assert "healthcheck:" in server
    assert "depends_on: {server: {condition: service_healthy}}" in master
