"""Which part of a run counts."""

import pytest
from staged_run import SECOND, START, answered, batch, stage

from loadtest.analysis.records import load
from loadtest.analysis.window import Window, steady
from loadtest.runs.reader import RunReader


@pytest.fixture
def window_of(tmp_path):
    def found(messages=(), **facts):
        with RunReader(stage(tmp_path, [batch(list(messages))], **facts)) as run:
            return steady(load(run))

    return found


@pytest.mark.parametrize(
    ("facts", "start_s", "words"),
    [
        ({}, 20, "from one limiter window after the end of spawning on"),
        ({"limit_window_s": 35.0}, 45, "from one limiter window after"),
        ({"limit_window_s": 36.0}, 10, "too short a run"),
        ({"limit_window_s": None}, 10, "from the end of spawning on"),
        ({"warmup_s": 0.0}, 0, "from --warmup 0 s on"),
        ({"warmup_s": 79.5}, 79.5, "from --warmup 79.5 s on"),
        ({"warmup_s": 80.0}, 10, "the run ended within --warmup 80 s"),
        ({"spawned_ns": None}, 0, "spawning never ended"),
    ],
)
def test_where_the_window_begins_and_why(window_of, facts, start_s, words):
    window = window_of(**facts)
    assert (window.start_s, window.stop_s) == (start_s, 80.0)
    assert words in window.note


def test_of_a_run_that_was_cut_off_it_ends_with_the_last_record(window_of):
    assert window_of([answered(1, 55, 5)], stopped_ns=None, ended_ns=None).stop_s == 55.0


@pytest.mark.parametrize(("length_s", "seconds"), [(10.0, 60), (25.0, 50), (60.0, 60), (61.0, 0)])
def test_whole_limiter_windows(length_s, seconds):
    window = Window(START, START + 60 * SECOND, 20.0, 80.0, "")
    assert window.whole(length_s) == (START, START + seconds * SECOND)
