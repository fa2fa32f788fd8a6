"""The image, and those who start it: what a run writes in the one, the others keep."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from image_by_hand import Image, python_for_anybody

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


@pytest.fixture(scope="module")
def image():
    """The steps of the Dockerfile run by hand: no engine is needed, but root, and the index of pip."""
    if (python := python_for_anybody()) is None:
        pytest.skip("takes root, setpriv, and a Python that any user may run")
    with tempfile.TemporaryDirectory(prefix="image-") as root:
        Path(root).chmod(0o755)
        yield Image(Path(root), python)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_as_any_user_the_image_runs_and_writes_its_run_folder_and_nothing_else(image, start_reference_server):
    server = start_reference_server("--ttft", "20ms", "--gap", "2ms", "--chunks", "5", "--rate-limit", "none")
    load = ("--host", server.url, "-u", "5", "-r", "5", "-t", "5s", "--rate-limit", "10/1s", "--message-rate", "2/1s")
    done = image.run("run", *load, "WithinLimitUser", LOADTEST_JWT_SECRET=server.secret)
    assert done.returncode in (0, 3), done.stdout  # 3: invalid, on a machine that has other things to do
    latest = image.folder / "results" / "latest"
    assert json.loads((latest / "summary.json").read_bytes())["counts"]["delivered"] == server.stop()["messages"] >= 20
    assert (latest / "timeline.png").is_file()
    assert {path.parts[0] for path in image.written()} <= {"data", "tmp"}
    assert {path.parts[:2] for path in image.written() if path.parts[0] == "data"} == {("data", "results")}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--help",), "Usage: loadtest"),
        (("locust", "--version"), "locust 2."),
        (("locust", "--list"), "WithinLimitUser"),
        (("mock-llm", "--help"), "Usage: loadtest mock-llm"),
    ],
)
def test_its_words_are_those_of_loadtest_and_locust_is_itself(image, words, says):
    done = image.run(*words)
    assert (done.returncode, says in done.stdout) == (0, True), done.stdout
