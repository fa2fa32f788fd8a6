"""Who should have been told that somebody types, and that they stopped."""

import pytest
from room_stage import MS, heard, records, stay, typed

from loadtest.analysis.rooms.typing import judge_typing
from loadtest.runs.columns import MISSING

THREE = [stay(client, 0, 60_000) for client in (1, 2, 3)]


def judged(typing, receipts=(), stays=THREE):
    return judge_typing(records((), receipts, stays, typing))


def test_the_others_are_told_and_who_types_is_not():
    found = judged([typed(1, "start", 1_000), typed(1, "stop", 3_000)], [heard("start", "u1", (2, 1_004), (3, 1_006))])
    assert found.starts.took_ns.tolist() == [4 * MS, 6 * MS]


def test_a_member_who_is_not_told():
    found = judged([typed(1, "start", 1_000), typed(1, "stop", 3_000)], [heard("start", "u1", (3, 1_006))])
    assert found.starts.took_ns.tolist() == [MISSING, 6 * MS]
    assert (found.summary(0).expected, found.summary(0).seen) == (2, 1)


def test_each_receipt_is_of_the_last_start_before_it():
    typing = [typed(1, "start", 1_000), typed(1, "stop", 2_000), typed(1, "start", 4_000), typed(1, "stop", 5_000)]
    found = judged(typing, [heard("start", "u1", (2, 4_004), (3, 1_006), (3, 4_006))])
    assert found.starts.took_ns.tolist() == [MISSING, 6 * MS, 4 * MS, 6 * MS]


@pytest.mark.parametrize(("gap", "starts"), [(900, 1), (1_000, 1), (1_050, 1), (1_100, 2)])
def test_a_start_within_a_second_of_another_is_nobodys_to_hear(gap, starts):
    """And one a little later may be taken for one within it."""
    found = judged([typed(1, "start", 1_000), typed(1, "start", 1_000 + gap), typed(1, "stop", 4_000)])
    assert len(found.starts) == 2 * starts


def test_a_stop_is_told_like_a_start():
    receipts = [heard("stop", "u1", (2, 3_004))]
    found = judged([typed(1, "start", 1_000), typed(1, "stop", 3_000)], receipts).summary(0)
    assert (found.stops_expected, found.stops_seen, found.automatic) == (2, 1, 0)


def test_without_a_stop_the_server_says_so_after_five_seconds():
    found = judged([typed(1, "start", 1_000)], [heard("stop", "u1", (2, 6_001), (3, 6_020))]).summary(0)
    assert (found.stops_expected, found.stops_seen, found.automatic) == (2, 2, 1)
    assert found.automatic_ms == (5_001.0, 5_020.0)


def test_a_server_that_lets_it_stand_tells_nobody():
    found = judged([typed(1, "start", 1_000)]).summary(0)
    assert (found.stops_expected, found.stops_seen, found.automatic, found.automatic_ms) == (2, 0, 1, None)


@pytest.mark.parametrize(("after_ms", "seen"), [(3_000, 0), (4_899, 0), (4_900, 1), (5_000, 1)])
def test_a_stop_by_the_server_that_comes_too_soon_is_not_the_one_that_was_due(after_ms, seen):
    found = judged([typed(1, "start", 1_000)], [heard("stop", "u1", (2, 1_000 + after_ms))], THREE[:2]).summary(0)
    assert (found.stops_expected, found.stops_seen, found.automatic) == (1, seen, 1)


def test_who_goes_on_typing_has_not_stopped():
    found = judged([typed(1, "start", 1_000), typed(1, "start", 4_000), typed(1, "stop", 6_000)]).summary(0)
    assert (found.starts, found.stops_expected, found.automatic) == (2, 2, 0)


def test_who_loses_the_connection_stops_typing():
    found = judged([typed(1, "start", 1_000), typed(1, "gone", 2_000)], [heard("stop", "u1", (2, 2_003))]).summary(0)
    assert (found.stops_expected, found.stops_seen, found.automatic) == (2, 1, 0)


def test_nothing_is_expected_of_who_joined_later_or_left_before_the_end():
    stays = [THREE[0], stay(2, 1_001, 60_000), stay(3, 0, 6_500)]
    found = judged([typed(1, "start", 1_000)], stays=stays).summary(0)
    assert (found.expected, found.stops_expected) == (1, 0)


def test_other_tabs_of_who_types_may_or_may_not_be_told():
    assert len(judged([typed(1, "start", 1_000)], stays=[THREE[0], stay(2, 0, 60_000, user="u1")]).starts) == 0


@pytest.mark.parametrize(("other_tab_at", "starts"), [(-200, 2), (0, 1), (1_950, 0), (3_000, 1), (4_200, 2)])
def test_what_two_tabs_of_a_user_do_at_about_the_same_time_is_not_judged(other_tab_at, starts):
    """A stop of tab 9 spoils the start of tab 1 at 1,000 or at 3,000 ms where it is within a second of it."""
    typing = [typed(1, "start", 1_000), typed(1, "start", 3_000), typed(9, "stop", other_tab_at, user="u1")]
    assert len(judged(typing, stays=THREE[:2]).starts) == starts


def test_a_start_that_nobody_was_told_of_is_not_seen_by_what_another_tab_does_later():
    typing = [typed(1, "start", 1_000), typed(9, "start", 10_000, user="u1")]
    stays = [*THREE[:2], stay(9, 0, 60_000, user="u1")]
    found = judged(typing, [heard("start", "u1", (2, 10_004))], stays)
    assert sorted(found.starts.took_ns.tolist()) == [MISSING, 4 * MS]


def test_a_start_that_comes_late_is_not_missing_since_another_tab_has_stopped():
    typing = [typed(1, "start", 1_000), typed(9, "stop", 2_200, user="u1")]
    assert judged(typing, [heard("start", "u1", (2, 2_300))], THREE[:2]).starts.took_ns.tolist() == [1_300 * MS]


def test_a_stop_that_nobody_was_told_of_is_not_seen_by_that_of_another_tab():
    typing = [typed(9, "start", 0, user="u1"), typed(1, "start", 2_000), typed(1, "stop", 3_000)]
    typing.append(typed(9, "stop", 4_500, user="u1"))
    found = judged(typing, [heard("stop", "u1", (2, 4_504))], THREE[:2])
    assert found.stops.took_ns.tolist() == [MISSING]


@pytest.mark.parametrize(
    ("typing", "starts", "stops"),
    [
        ([typed(1, "start", 6_000), typed(1, "stop", 8_000)], 0, 0),
        ([typed(1, "start", 3_000), typed(1, "stop", 5_500)], 2, 0),
        ([typed(1, "start", 1_000)], 2, 0),
        ([typed(1, "start", 3_000), typed(1, "gone", 5_000)], 2, 2),
        ([typed(1, "start", 1_000), typed(1, "stop", 2_000)], 2, 2),
    ],
    ids=["both after it", "the stop after it", "stopped by the server after it", "lost with it", "before it"],
)
def test_what_was_typed_after_the_own_stay_is_nobodys_to_hear(typing, starts, stops):
    """As after the last that a connection received which was half open then; its stay ended at 5,000 ms."""
    found = judged(typing, stays=[stay(1, 0, 5_000), *THREE[1:]]).summary(0)
    assert (found.expected, found.stops_expected) == (starts, stops)
    assert found.ledger.ambiguous == 1 - starts // 2


def test_a_start_before_the_own_join_is_ambiguous():
    found = judged([typed(1, "start", 1_000)], stays=[stay(1, 2_000, 60_000), *THREE[1:]]).summary(0)
    assert (found.expected, found.ledger.sent, found.ledger.ambiguous) == (0, 1, 1)


def test_of_a_lost_connection_the_others_may_be_told_before_its_client_knows():
    typing = [typed(1, "start", 1_000), typed(1, "gone", 2_000)]
    assert judged(typing, [heard("stop", "u1", (2, 1_998), (3, 2_001))]).summary(0).stops_seen == 2


# --- more than one a second
def hasty(*at_ms):
    return [typed(1, "start", at) for at in at_ms]


def ledger(typing, receipts=(), stays=THREE):
    return judged(typing, receipts, stays).summary(0).ledger


@pytest.mark.parametrize(
    ("at_ms", "told", "surplus", "ambiguous"),
    [
        ((1_000, 1_500), 1, 1, 0),
        ((1_000, 1_950), 1, 0, 1),  # it may arrive a second after the first
        ((1_000, 1_250, 1_500, 1_750, 2_000, 2_250), 1, 4, 1),
        ((1_000, 1_500, 9_000, 9_500), 2, 2, 0),
        ((1_000, 3_000, 5_000), 3, 0, 0),
    ],
)
def test_every_start_is_told_or_surplus_or_ambiguous(at_ms, told, surplus, ambiguous):
    found = ledger(hasty(*at_ms))
    assert (found.told, found.surplus, found.ambiguous) == (told, surplus, ambiguous)
    assert found.sent == len(at_ms)
    assert (found.surplus_ignored, found.surplus_passed_on) == (2 * surplus, 0)


def test_a_server_that_passes_surplus_starts_on_is_found_however_late_they_come():
    receipts = [heard("start", "u1", (2, 1_700), (2, 1_710), (2, 1_720), (3, 1_004))]
    found = ledger(hasty(1_000, 1_250, 1_500), receipts)
    assert (found.surplus, found.surplus_passed_on, found.surplus_ignored) == (2, 2, 2)


def test_what_another_tab_starts_later_is_no_surplus_that_was_passed_on():
    typing = [*hasty(1_000, 1_500), typed(9, "start", 10_000, user="u1")]
    told = heard("start", "u1", (2, 1_004), (3, 1_004), (2, 10_004), (3, 10_004))
    found = ledger(typing, [told])
    assert (found.surplus, found.surplus_passed_on, found.surplus_ignored) == (1, 0, 2)


@pytest.mark.parametrize(
    ("told_ms", "passed_on"),
    [
        ((2_600, 2_610), 0),
        ((2_600, 2_610, 2_620), 1),
        ((1_004, 2_504, 2_804), 1),
    ],
    ids=["late", "late, and passed on", "in time, and passed on"],
)  # fmt: skip
def test_of_a_start_that_is_told_as_late_as_after_later_ones_nothing_is_surplus(told_ms, passed_on):
    found = ledger(hasty(1_000, 2_500, 2_800), [heard("start", "u1", *((2, at) for at in told_ms))], THREE[:2])
    assert (found.surplus, found.surplus_passed_on) == (1, passed_on)


def test_one_that_is_passed_on_in_place_of_another_is_not_surplus():
    found = ledger(hasty(1_000, 1_500, 2_050), [heard("start", "u1", (2, 1_004), (2, 2_054), (3, 1_004))])
    assert (found.surplus, found.surplus_passed_on, found.surplus_ignored) == (1, 0, 2)


@pytest.mark.parametrize(
    "stays", [THREE[:1], [stay(1, 0, 1_400), *THREE[1:]], [THREE[0], stay(2, 0, 2_000)]],
    ids=["nobody else", "its connection was half open by then", "the other left"],
)  # fmt: skip
def test_surplus_is_ambiguous_where_nobody_was_there_to_be_told(stays):
    found = ledger(hasty(1_000, 1_500), stays=stays)
    assert (found.surplus, found.sent) == (0, 2)


def test_nobody_types():
    assert judged([]).summary(0) is None
