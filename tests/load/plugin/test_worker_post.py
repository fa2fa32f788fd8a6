"""What a worker makes of what its master tells it before a run."""

import pytest

from loadtest.load.plugin.post import Post


@pytest.mark.parametrize(
    ("siblings", "users"),
    [(1, 12_500), (2, 25_000), (4, 50_000)],
)
def test_the_processes_of_one_machine_hold_their_shares_together(siblings, users):
    assert Post(of=4, users=50_000).users_of(siblings) == users


def test_they_never_hold_more_than_there_are():
    """One that joins when others are lost may be told of fewer processes than its own command line has."""
    assert Post(of=3, users=50_000).users_of(4) == 50_000


def test_where_nobody_knows_of_how_many_users_nor_do_they():
    assert Post(of=4, users=None).users_of(4) is None
