"""What `benchmarks/recovery.py` and `benchmarks/soak.py` conclude, from literal figures."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    before = set(sys.modules)
    yield lambda name: import_module(f"benchmarks.{name}")
    for name in [name for name in sys.modules if name.startswith("benchmarks") and name not in before]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("rows", "unaccounted", "sound"),
    [
        ([("recovered", 500)], 0, True),
        ([("recovered", 499)], 0, False),
        ([("recovered", 499), ("gave up", 1)], 0, False),
        ([("recovered", 500)], 1, False),
    ],
    ids=["all back", "one without a row", "one gave up", "a message without an outcome"],
)
def test_a_recovery_is_complete_where_each_user_is_back_and_each_message_accounted_for(
    benchmark, rows, unaccounted, sound
):
    outages = [{"ended": ended, "outages": count} for ended, count in rows]
    figures = {"outages": outages, "ledger": {"unaccounted": unaccounted}}
    assert benchmark("recovery").complete(500, figures) == sound


def test_growth_counts_from_the_second_tenth_on(benchmark):
    filling = [("local", n * SECOND, 80_000_000 + n * 1_000_000) for n in range(60)]
    steady = [("local", n * SECOND, 140_000_000 + n * 1_000) for n in range(60, 600)]
    other = [("worker-1", n * SECOND, 90_000_000) for n in range(600)]
    memory = benchmark("soak").memory
    assert memory([*filling, *steady, *other], "local")["mb_an_hour"] == pytest.approx(3.6)
    assert memory([*filling, *steady, *other], "worker-1") == {"mb": [90.0] * 10, "mb_an_hour": pytest.approx(0.0)}


def test_growth_counts_from_where_every_user_has_sent_what_its_session_remembers(benchmark):
    soak = benchmark("soak")
    quick, slow = [("ann", n * SECOND) for n in range(100)], [("ben", n * 5 * SECOND) for n in range(64)]
    full_ns = soak.full([*quick, *slow])
    assert full_ns == 315 * SECOND
    filling = [("local", n * SECOND, 80_000_000 + n * 1_000_000) for n in range(315)]
    steady = [("local", n * SECOND, 395_000_000 + n * 1_000) for n in range(315, 600)]
    assert soak.memory([*filling, *steady], "local", full_ns)["mb_an_hour"] == pytest.approx(3.6)


def test_one_who_has_not_sent_so_much_keeps_that_from_being_known(benchmark):
    assert benchmark("soak").full([("ann", n) for n in range(63)]) is None
