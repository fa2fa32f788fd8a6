"""What a server had left over the steady window, and which of its resources was full."""

import pytest
from staged_run import SECOND, START, answered, stage

from loadtest.analysis.records import load
from loadtest.analysis.server import server
from loadtest.analysis.window import steady
from loadtest.model import SERVER, Batch, ServerSample
from loadtest.runs.reader import RunReader


def sample(at_s, cpu=0.5, busiest=0.4, files=(100, 1024), memory=10**8, **container):
    at, spent = START + at_s * SECOND, (round(cpu * SECOND), round(busiest * SECOND))
    return ServerSample("pid 7", at, SECOND, *spent, memory, 8 * 10**9, *files, **container)


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


def limited(at_s, cores, throttled_ms=0, **changes):
    return sample(at_s, cpu_limit_ns=round(cores * SECOND), throttled_ns=throttled_ms * 1_000_000, **changes)


def test_a_container_that_has_taken_all_that_it_may(server_of):
    found = server_of(limited(30, 1.5, 300, cpu=1.42), limited(31, 1.5, 100, cpu=1.42))
    assert (found.cpu_limit, found.throttled_share) == (1.5, 0.2)
    assert found.full == ["the 1.5 cores that it may use at 95 %"]


def test_a_thread_that_took_the_one_core_that_it_may_use(server_of):
    assert server_of(limited(30, 1.0, cpu=0.98, busiest=0.97)).full == ["1 core at 98 %"]


def test_a_container_that_is_held_back_in_bursts_is_full_though_its_mean_is_not(server_of):
    found = server_of(limited(30, 1.0, 90), limited(31, 1.0, 10))
    assert found.full == ["its container's CPU limit, which held it back for 5 % of the time"]


def test_a_container_that_is_held_back_now_and_then_is_not_full(server_of):
    found = server_of(limited(30, 1.0, 90), limited(31, 1.0))
    assert (found.throttled_share, found.full) == (0.045, [])


def test_all_cores_of_the_machine(server_of):
    assert server_of(sample(30, 3.8, 0.8)).full == ["all 4 cores at 95 %"]


def test_memory_is_that_of_the_machine_or_what_the_container_is_charged_for(server_of):
    gigabyte = 10**9
    assert server_of(sample(30, memory=7_700_000_000)).full == ["memory, 7.7 of 8.0 GB"]
    charged = sample(30, charged_bytes=1_950_000_000, charged_limit=2 * gigabyte)
    assert server_of(charged, sample(31)).full == ["its container's memory, 1.95 of 2.00 GB"]
    assert server_of(sample(30, charged_bytes=gigabyte, charged_limit=2 * gigabyte)).full == []
