"""No two users of a run have the same number, whoever joins, leaves or is lost."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.numbers import NoNumber, Numbers, Pool, Share


def taken(numbers, count):
    found = []
    for _ in range(count):
        try:
            found.append(numbers.take())
        except NoNumber:
            break
    return found


def test_a_process_that_is_alone_counts_from_0_and_gives_the_smallest_free_number():
    numbers = Numbers()
    assert taken(numbers, 3) == [0, 1, 2]
    numbers.give_back(1)
    assert taken(numbers, 2) == [1, 3]


def test_processes_share_what_one_would_give():
    pool = Pool(users=10, capacity=None)
    shares = [taken(Numbers(pool.share(f"worker-{place}", place, 4)), 99) for place in range(4)]
    assert shares == [[0, 4, 8], [1, 5, 9], [2, 6], [3, 7]]


def test_a_process_whose_share_is_used_up_asks_for_more():
    pool = Pool(users=2, capacity=None)
    numbers = Numbers(pool.share("worker-0", 0, 2), lambda: pool.grant("worker-0"))
    assert taken(numbers, 4) == [0, 2, 3, 4]


def test_numbers_end_where_tokens_do():
    pool = Pool(users=4, capacity=7)
    numbers = Numbers(Share(0, 1, 0), lambda: pool.grant("worker-2"))
    assert taken(numbers, 99) == [4, 5, 6]


def test_the_numbers_of_a_process_that_is_gone_are_given_out_again():
    pool = Pool(users=4, capacity=4)
    pool.share("worker-0", 0, 2)
    pool.share("worker-1", 1, 2)
    assert pool.grant("worker-2") is None
    pool.release("worker-1")
    assert [pool.grant("worker-2") for _ in range(3)] == [1, 3, None]
    pool.release("worker-2")
    assert sorted([pool.grant("worker-0"), pool.grant("worker-0")]) == [1, 3]


def test_where_a_shape_decides_the_shares_have_room_for_a_million_or_for_the_tokens():
    assert Pool(users=None, capacity=None).grant("worker-9") == 2**20
    assert Pool(users=None, capacity=50).grant("worker-9") is None


@given(
    st.integers(1, 60),
    st.integers(1, 5),
    st.none() | st.integers(1, 200),
    st.lists(st.tuples(st.sampled_from(["take", "give back", "die"]), st.integers(0, 7)), max_size=150),
)
def test_nobody_ever_has_the_number_of_another(users, at_start, capacity, steps):
    pool = Pool(users, capacity)
    processes = {
        place: Numbers(
            pool.share(str(place), place, at_start) if place < at_start else Share(0, 1, 0),
            lambda place=place: pool.grant(str(place)),
        )
        for place in range(8)
    }
    held = {place: [] for place in processes}
    for step, place in steps:
        if place not in processes:
            continue
        match step:
            case "take":
                held[place] += taken(processes[place], 3)
            case "give back" if held[place]:
                processes[place].give_back(held[place].pop(0))
            case "die":
                pool.release(str(place))
                del processes[place], held[place]
        everybody = [number for numbers in held.values() for number in numbers]
        assert len(everybody) == len(set(everybody))
