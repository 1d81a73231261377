"""Any number of binary tasks over one column of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mtl_keras.errors import MTLError, check_integer, check_mapping, check_seed, check_size
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._binary import Binary
from mtl_keras.tasks._label_source import ClassMap, RandomLabels
from mtl_keras.tasks._tasks import Tasks

__all__ = ["binary_tasks"]

#: Largest number of tasks; a network for more cannot be built.
MOST = 100_000


def binary_tasks(
    n: int,
    column: str,
    classes: int,
    *,
    groups: Mapping[str, Mapping[str, Iterable[str | int]]] | None = None,
    n_random: int = 0,
    seed: int = 0,
) -> Tasks:
    """Return binary tasks over the classes of one column: named groups, the equal split, random halves and random labels.

    They come in that order, so that the first tasks are the same for every `n`. A random half is one of many equally likely
    divisions of the classes into two halves, and can be learned from the image. Random labels cannot: they are controls.

    Args:
        n: Number of tasks in all, at least 1.
        column: Column of class indices, e.g. `"fine"`.
        classes: Number of its classes, at least 2.
        groups: Both sides of each named task, that of label 0 first, by the task's name; see `ClassMap`.
        n_random: How many of the tasks, the last ones, have random labels; from 0 (default) to `n`.
        seed: Seed of the random halves and labels, from 0 (default).

    Returns:
        Tasks with the names of `groups`, `equal` (the second half of the classes by index), `half_4`, `half_5` ... by their
        position, and `random_1`, `random_2` ...

    Raises:
        MTLError: If `n_random` exceeds `n` or a number is out of range; when the data is read, if a group misses a class or
            names an unknown one.

    Example:
        >>> import mtl_keras as mtl
        >>> groups = {"round": {"no": [1, 2, 4, 5, 7], "yes": [0, 3, 6, 8, 9]}}
        >>> list(mtl.tasks.binary_tasks(4, "digit", 10, groups=groups, n_random=1))
        ['round', 'equal', 'half_3', 'random_1']
    """
    check_integer("n", n, 1, MOST)
    check_size("classes", classes, minimum=2)
    check_integer("n_random", n_random, 0, MOST)
    # Those of the tasks are this one plus their positions.
    check_seed("seed", seed, following=n)
    if n_random > n:
        raise MTLError(f"`n_random` must not exceed `n`. Received: n_random={n_random}, n={n}. Pass at least n={n_random}.")
    given = {} if groups is None else check_mapping("groups", groups, example="{'round': {'no': [1], 'yes': [0]}}")
    named = {name: ClassMap(column, sides) for name, sides in given.items()}
    named["equal"] = ClassMap(column, {"first": range(classes // 2), "second": range(classes // 2, classes)})
    learnable = list(named.items())[: n - n_random]
    # The seed of a half follows from its position, so that the first tasks do not depend on `n`.
    learnable += [
        (f"half_{place}", ClassMap.halves(column, classes, seed + place))
        for place in range(len(learnable) + 1, n - n_random + 1)
    ]
    tasks: list[Task] = [Binary(name, label=label) for name, label in learnable]
    random = (Binary(f"random_{place}", label=RandomLabels(seed=seed + place)) for place in range(1, n_random + 1))
    return Tasks(*tasks, *random)
