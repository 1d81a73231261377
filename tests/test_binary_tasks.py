"""Binary tasks in any number: their names, labels and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.tasks import from_config

ROUND = {"round": {"no": (1, 2, 4, 5, 7), "yes": (0, 3, 6, 8, 9)}}


@given(n=st.integers(1, 30), n_random=st.integers(0, 30), seed=st.integers(0, 2**31 - 100))
def test_the_first_tasks_do_not_depend_on_their_number(n: int, n_random: int, seed: int) -> None:
    n_random = min(n, n_random)
    tasks = mtl.tasks.binary_tasks(n, "digit", 10, groups=ROUND, n_random=n_random, seed=seed)
    assert len(tasks) == n
    learnable = ["round", "equal", *(f"half_{place}" for place in range(3, n + 1))][: n - n_random]
    random = [f"random_{place}" for place in range(1, n_random + 1)]
    assert list(tasks) == [*learnable, *random]
    assert [name for name in tasks if isinstance(tasks[name].label, mtl.RandomLabels)] == random
    longer = mtl.tasks.binary_tasks(n + 3, "digit", 10, groups=ROUND, n_random=n_random, seed=seed)
    assert all(longer[name] == task for name, task in tasks.items())


@given(classes=st.integers(2, 101), seed=st.integers(0, 2**31 - 100))
def test_every_half_has_half_of_the_classes(classes: int, seed: int) -> None:
    tasks = mtl.tasks.binary_tasks(6, "fine", classes, seed=seed)
    x, column = np.zeros((classes, 1, 1, 1), "uint8"), {"fine": np.arange(classes)}
    y = mtl.data.from_arrays(tasks, (x, column), (x, column)).train.y
    for labels in y.values():
        assert abs(2 * int(labels.sum()) - classes) <= 1
    # Each half is another division.
    assert classes < 12 or len({labels.tobytes() for labels in y.values()}) == len(tasks)


def test_other_seeds_give_other_halves_and_random_labels() -> None:
    one, other = (mtl.tasks.binary_tasks(6, "fine", 100, n_random=2, seed=seed) for seed in (0, 100))
    assert [name for name in one if one[name].label == other[name].label] == ["equal"]


def test_tasks_survive_json() -> None:
    tasks = mtl.tasks.binary_tasks(5, "fine", 10, groups=ROUND, n_random=1)
    assert from_config(tasks.config()) == tasks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 2, "n_random": 3}, "Received: n_random=3, n=2. Pass at least n=3."),
        ({"n": 0}, "`n` must be an integer in [1, 100000]. Received: n=0."),
        ({"n": 3, "classes": 1}, "Received: classes=1."),
        ({"n": 3, "seed": -1}, "Received: seed=-1."),
        ({"n": 3, "groups": {"round": {"no": (0, 1), "yes": (1, 2)}}}, "Received: 1 in"),
        ({"n": 3, "groups": {"round": {"no": (0, 1), "yes": ()}}}, "group"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError) as error:
        mtl.tasks.binary_tasks(column="digit", **{"classes": 10, **arguments})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("sides", "message"),
    [({"no": (0, 1, 2), "yes": (3, 4, 5, 6, 7, 8)}, "without class 9"), ({"no": ("zero",), "yes": ("ten",)}, "'zero'")],
)
def test_groups_are_checked_when_the_data_is_read(sides: dict[str, Any], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        mtl.data.load("digits", mtl.tasks.binary_tasks(1, "digit", 10, groups={"named": sides}))
