"""Where `plot` leaves its pictures, and what tells runs apart in them."""

import pytest
from click.testing import CliRunner
from staged_run import batch, ordinary, stage

from loadtest.commands.opened import open_run
from loadtest.commands.plot import plot
from loadtest.report.caption import names, subtitle


@pytest.fixture
def staged(tmp_path):
    return lambda **labels: stage(tmp_path / "results", [batch(ordinary())], labels=labels)


def drawn(*words):
    done = CliRunner().invoke(plot, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def test_one_run_gets_percentiles_and_timeline_in_both_formats(staged):
    folder = staged()
    files = [folder / name for name in ("percentiles.png", "percentiles.svg", "timeline.png", "timeline.svg")]
    assert drawn(folder) == [str(file) for file in files]
    assert all(file.is_file() for file in files)


def test_several_runs_are_left_in_the_first_and_get_no_timeline(staged):
    first, second = staged(build="a"), staged(build="b")
    assert drawn(first, second) == [str(first / "overlay.png"), str(first / "overlay.svg")]
    assert sorted(path.name for path in second.iterdir()) == ["run.db"]


def test_the_same_run_gives_the_same_picture(staged, tmp_path):
    folder = staged()
    pictures = [tmp_path / name for name in ("1.svg", "2.svg")]
    for picture in pictures:
        drawn(folder, "-o", picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_runs_are_named_by_the_labels_in_which_they_differ(staged):
    runs = [open_run(staged(**labels)).summary for labels in ({"build": "a", "site": "x"}, {"site": "x"})]
    assert names(runs) == ["a", "–"]


def test_runs_that_no_label_tells_apart_are_named_by_their_folders(staged):
    assert names([open_run(staged(build="a")).summary for _ in range(2)]) == [
        "20261124T020000Z-chat",
        "20261124T020000Z-chat-2",
    ]


def test_the_subtitle_says_what_was_measured(staged):
    shown = "ws://127.0.0.1:5000/ws · 3 users · 1 min of 1 min 20 s measured · build=a"
    assert subtitle(open_run(staged(build="a")).summary) == shown


@pytest.mark.parametrize("value", [r"$\foo$", "$HOME/$USER_", "夜間"])
def test_a_label_is_drawn_as_it_is_written(staged, tmp_path, value):
    runs = [staged(build=value), staged(build="b")]
    drawn(*runs, "-o", tmp_path / "x.svg")
    assert f"{value}: ack delivered" in (tmp_path / "x.svg").read_text(encoding="utf-8")
    drawn(runs[0], "-o", tmp_path / "x.png")  # where letters are drawn, too
