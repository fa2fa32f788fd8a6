"""What a run keeps of the log of the stand-in for the model."""

import pytest

from loadtest.errors import RunFolderError
from loadtest.runs.standin import KEPT, Kept, keep, read_kept

OURS = (
    '{"messageId": "m", "received_ns": 5, "ended_ns": 30, "ended": "complete", "status": 200, "ttft_ns": 20, "more": 1}'
)
OTHERS = OURS.replace('"m"', '"n"')
NAMELESS = OURS.replace('"m"', "null")


def log(tmp_path, *lines):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_lines_of_its_own_messages_are_kept_as_they_are(tmp_path):
    assert keep(log(tmp_path, OTHERS, OURS, NAMELESS), tmp_path, frozenset(["m"])) == Kept(requests=3, ours=1)
    assert (tmp_path / KEPT).read_text() == OURS + "\n"
    (request,) = read_kept(tmp_path)
    assert (request.message_id, request.received_ns, request.ttft_ns, request.status) == ("m", 5, 20, 200)


def test_without_any_nothing_is_kept(tmp_path):
    assert keep(log(tmp_path, OTHERS), tmp_path, frozenset(["m"])) == Kept(requests=1, ours=0)
    assert read_kept(tmp_path) is None


@pytest.mark.parametrize("line", ["no json", "[]", '{"messageId": 5}', '{"messageId": "m"}', "\udcff"])
def test_a_file_of_something_else_is_said_to_be_one(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(line.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunFolderError, match=r"log.jsonl: is no log of loadtest mock-llm: "):
        keep(path, tmp_path, frozenset(["m"]))
    assert not (tmp_path / KEPT).exists()


def test_a_log_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(RunFolderError, match=r"log.jsonl: cannot be read: No such file or directory"):
        keep(tmp_path / "log.jsonl", tmp_path, frozenset())
