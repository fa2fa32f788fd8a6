"""What a server had left over the steady window, and which of its resources was full."""

import pytest
from staged_run import SECOND, START, answered, stage

from loadtest.analysis.records import load
from loadtest.analysis.server import server
from loadtest.analysis.window import steady
from loadtest.model import SERVER, Batch, ServerSample
from loadtest.runs.reader import RunReader


def sample(at_s, cpu=0.5, busiest=0.4, files=(100, 1024)):
    at = START + at_s * SECOND
    return ServerSample("pid 7", at, SECOND, round(cpu * SECOND), round(busiest * SECOND), 10**8, 8 * 10**9, *files)


@pytest.fixture
def server_of(tmp_path):
    def found(*samples):
        batches = [Batch("local", 0, [answered(1, 55, 5)]), Batch(SERVER, 0, server=list(samples))]
        with RunReader(stage(tmp_path, batches, generator={"processors": 4})) as run:
            records = load(run)
            return server(records, steady(records))

    return found


def test_what_was_not_full_is_not_named(server_of):
    found = server_of(sample(30), sample(31))
    assert (found.cpu_cores, found.busiest_core, found.open_files, found.full) == (0.5, 0.4, 100, [])


def test_a_thread_that_took_its_core_is(server_of):
    assert server_of(sample(30, 1.2, 0.97), sample(31, 1.2, 0.99)).full == ["1 core at 98 %"]


def test_open_files_are_held_against_the_limit_of_the_process_that_had_them(server_of):
    found = server_of(sample(30, files=(980, 1024)), sample(31, files=(3_000, 65_536)))
    assert (found.open_files, found.full) == (3_000, ["open files, 980 of 1,024"])


def test_a_core_that_did_more_than_a_core_can_was_several(server_of):
    found = server_of(sample(30, 2.0, 2.0), sample(31, 2.0, 2.0))
    assert (found.cpu_cores, found.busiest_core, found.full) == (2.0, None, [])
