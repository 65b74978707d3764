"""Which files of a table follow each other in time."""

from __future__ import annotations

import pytest

from eventnet.trace.order import first_overlap, longest_in_order

IN_ORDER = {0: (0, 10), 1: (10, 20), 2: (20, 30), 4: (41, 50), 5: (50, 50), 6: (50, 55)}
"""Part 3 is missing, and 5 takes no time."""


def test_files_in_order_are_all_kept() -> None:
    assert first_overlap(IN_ORDER) is None
    assert longest_in_order(IN_ORDER) == list(IN_ORDER)
    assert first_overlap({}) is None
    assert longest_in_order({}) == []


@pytest.mark.parametrize(
    ("number", "span", "overlap"),
    [
        (0, (0, 40), (0, 1)),
        (1, (30, 60), (1, 2)),
        (1, (0, 5), (0, 1)),
        (4, (10, 15), (2, 4)),
        (4, (41, 500), (4, 5)),
        (6, (5, 6), (5, 6)),
    ],
)
def test_the_one_without_which_the_others_are_in_order_is_left_out(
    number: int, span: tuple[int, int], overlap: tuple[int, int]
) -> None:
    spans = IN_ORDER | {number: span}
    assert first_overlap(spans) == overlap
    assert longest_in_order(spans) == [k for k in spans if k != number]


def test_of_two_as_good_the_one_stays_that_leaves_less_time_between() -> None:
    assert longest_in_order({0: (0, 10), 1: (30, 60), 2: (20, 30)}) == [0, 2]
    assert longest_in_order({0: (0, 10), 1: (10, 20), 2: (15, 18)}) == [0, 1]
    assert longest_in_order({0: (0, 10), 1: (20, 30), 2: (20, 29)}) == [0, 1]
