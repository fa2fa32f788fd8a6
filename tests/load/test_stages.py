"""Stages of a load shape, with literal clocks: a step counts from the end of its spawning on."""

import pytest

from loadtest.errors import UsageError
from loadtest.load.stages import Progress, Stage, check
from loadtest.model import Step

S = 1_000_000_000
STEPPING = [Stage(10, 5.0, 30.0), Stage(20, 5.0, 30.0)]


@pytest.fixture
def told():
    return []


@pytest.fixture
def progress(told):
    return Progress(STEPPING, told.append)


def test_a_step_is_held_from_the_end_of_its_spawning_on(progress, told):
    first, second = STEPPING
    assert progress.at(0, None) == first
    assert progress.at(40 * S, None) == first  # the server takes its time: no step has begun
    assert progress.at(50 * S, 10) == first
    assert progress.at(79 * S, 10) == first
    assert told == []
    assert progress.at(80 * S, 10) == second
    assert told == [Step(1, 10, 50 * S, 80 * S)]
    assert progress.at(81 * S, 10) == second  # ten users are still all that there are
    assert progress.at(90 * S, 20) == second
    assert progress.at(120 * S, 20) is None
    assert told[1:] == [Step(2, 20, 90 * S, 120 * S)]
    assert progress.at(121 * S, 20) is None


def test_a_step_that_the_end_of_the_run_cuts_short_is_told_as_far_as_it_went(progress, told):
    progress.at(0, None)
    progress.end(5 * S)
    assert told == []  # it had not begun
    progress.at(10 * S, 10)
    progress.end(15 * S)
    assert told == [Step(1, 10, 10 * S, 15 * S)]
    progress.end(16 * S)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ([], "Wrong: has no stage to hold; set its class attributes"),
        ([Stage(50, 50, 0)], "Wrong: cannot hold 50 users for 0 s at 50 users/s; give numbers above 0"),
        ([Stage(50, 0, 60)], "Wrong: cannot hold 50 users for 60 s at 0 users/s; give numbers above 0"),
        ([Stage(-1, 1, 60)], "Wrong: cannot hold -1 users for 60 s at 1 users/s; give numbers above 0"),
    ],
)
def test_stages_that_make_no_load_are_refused(stages, complaint):
    with pytest.raises(UsageError) as refused:
        check("Wrong", stages)
    assert str(refused.value) == complaint
