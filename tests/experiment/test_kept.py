"""What experiments keep in their folders, and what they pass on of what their runs said."""

import pytest

from loadtest.errors import RunFolderError
from loadtest.experiment.kept import last_line, write_whole


def test_a_file_is_replaced_whole_with_nothing_left_beside_it(tmp_path):
    write_whole(tmp_path / "state.json", {"schema": 1})
    write_whole(tmp_path / "state.json", {"schema": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert (tmp_path / "state.json").read_text() == '{\n  "schema": 2\n}\n'


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    path = tmp_path / "gone" / "state.json"
    with pytest.raises(RunFolderError) as refused:
        write_whole(path, {})
    assert str(refused.value) == f"cannot write {path}: No such file or directory"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("starting\nloadtest: error: --host: nobody listens\n\n", "--host: nobody listens"),
        ("Traceback (most recent call last):\nRuntimeError: no load today\n", "RuntimeError: no load today"),
        ("", "the run left nothing and said nothing; {console} is empty"),
    ],
    ids=["refused", "broken", "silent"],
)
def test_what_a_run_said_last_is_passed_on_without_the_prefix_of_its_command(tmp_path, printed, told):
    console = tmp_path / "console.txt"
    console.write_text(printed)
    assert last_line(console) == told.format(console=console)
