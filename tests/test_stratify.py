"""Stratified choices of rows, and folds."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_keras.data._stratify import stratified_choice


@st.composite
def choices(draw: st.DrawFn) -> tuple[list[np.ndarray], int, int, int]:
    n = draw(st.integers(1, 120))
    columns = draw(st.lists(st.integers(1, 12), max_size=3))
    # Skewed on purpose: some classes are common, some have a single row.
    strata = [np.minimum(np.array(draw(st.lists(st.integers(-1, 30), min_size=n, max_size=n))), most) for most in columns]
    return strata, n, draw(st.integers(0, n)), draw(st.integers(0, 2**32 - 1))


@given(choices())
def test_a_choice_is_exact_and_keeps_proportions(case: tuple[list[np.ndarray], int, int, int]) -> None:
    strata, n, count, seed = case
    chosen = stratified_choice(strata, n, count, seed)
    assert len(chosen) == count
    assert (np.diff(chosen) > 0).all()
    assert count == 0 or (chosen[0] >= 0 and chosen[-1] < n)
    np.testing.assert_array_equal(chosen, stratified_choice(strata, n, count, seed))
    joint = np.unique(np.stack([*strata, np.zeros(n, int)]), axis=1, return_inverse=True)[1].ravel()
    sizes = np.bincount(joint)
    taken = np.bincount(joint[chosen], minlength=len(sizes))
    kept = sizes * min(count, n - count) / n >= 1
    assert (np.abs(taken - sizes * count / n)[kept] < 1 - 1e-6).all()


def test_remaining_rows_go_where_the_remainder_is_largest() -> None:
    column = np.repeat([0, 1, 2], [21, 49, 30])
    np.testing.assert_array_equal(np.bincount(column[stratified_choice([column], 100, 10, seed=0)]), [2, 5, 3])


def test_a_rare_joint_stratum_is_divided_by_the_coarser_one(caplog: pytest.LogCaptureFixture) -> None:
    """Each pair of labels occurs once, so that only the coarse label can be kept in proportion."""
    coarse = np.repeat(np.arange(5), 20)
    fine = np.arange(100)
    with caplog.at_level(logging.INFO, "mtl_keras"):
        chosen = stratified_choice([fine, coarse], 100, 20, seed=3)
    np.testing.assert_array_equal(np.bincount(coarse[chosen]), [4] * 5)
    assert "100 rows are in 100 strata" in caplog.text


def test_the_choice_does_not_depend_on_the_version_of_numpy() -> None:
    """Pins the choice: another one would move images between training and validation of recorded results."""
    assert stratified_choice([np.arange(20) % 2], 20, 4, seed=0).tolist() == [1, 8, 18, 19]


def test_another_seed_is_another_choice() -> None:
    assert len({tuple(stratified_choice([np.arange(60) % 3], 60, 20, seed)) for seed in range(5)}) == 5
