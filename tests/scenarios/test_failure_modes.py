"""The page about failure modes says what the tests prove."""

from __future__ import annotations

import failure_modes


def test_each_of_the_29_has_one_test_that_says_what_happens() -> None:
    found = failure_modes.scenarios()
    assert [s.number for s in found] == [f"S{number:02}" for number in range(1, 30)]
    assert all(s.happens and s.does for s in found)


def test_the_page_shows_what_the_tests_say() -> None:
    shown = failure_modes.PAGE.read_text(encoding="utf-8")
    wanted = failure_modes.page_with(failure_modes.table())
    assert shown == wanted, "`python tests/scenarios/failure_modes.py` writes the table again"
