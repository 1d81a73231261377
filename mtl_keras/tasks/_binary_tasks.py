"""Binary tasks in any number over one column of classes, and the rungs of a ladder of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mtl_keras.errors import MTLError
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._binary import Binary
from mtl_keras.tasks._label_source import ClassMap, RandomLabels
from mtl_keras.tasks._tasks import Tasks

__all__ = ["binary_tasks", "controls_of", "rungs"]


def binary_tasks(
    n: int,
    column: str,
    classes: int,
    *,
    groups: Mapping[str, Mapping[str, Iterable[str | int]]] | None = None,
    coins: int = 0,
    seed: int = 0,
) -> Tasks:
    """Return binary tasks over the classes of one column: named groups, the equal split, random halves, and coins.

    They come in that order, so that the first tasks are the same however many there are. A random half is one of many equally
    likely divisions of the classes into two halves, which can be learned from the image; a coin cannot.

    Args:
        n: How many tasks in all, at least 1.
        column: Column of class indices, e.g. `"fine"`.
        classes: How many classes it has, at least 2.
        groups: Both sides of each named task, the one that is 0 first, by the task's name; see `ClassMap`.
        coins: How many of the tasks, the last ones, are coins; from 0 (default) to `n`.
        seed: Of the random halves and coins, from 0; default 0.

    Returns:
        Tasks with the names of `groups`, `equal` (the second half of the classes by index), `half_4`, `half_5` ... by their
        place, and `coin_1`, `coin_2` ...

    Raises:
        MTLError: If there are more coins than tasks, or a number is out of range; when the data is read, if a group misses a
            class or names an unknown one.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.binary_tasks(4, "digit", 10, groups={"round": {"no": [1, 2, 4, 5, 7], "yes": [0, 3, 6, 8, 9]}}, coins=1)
        >>> list(tasks)
        ['round', 'equal', 'half_3', 'coin_1']
    """
    for name, value, least in (("n", n, 1), ("classes", classes, 2), ("coins", coins, 0), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise MTLError(f"`{name}` is a whole number from {least}. Received: {name}={value!r}. Give e.g. {name}={least}.")
    if coins > n:
        raise MTLError(f"Coins are some of the tasks. Received: coins={coins} of n={n}. Give at least n={coins}.")
    named = {name: ClassMap(column, sides) for name, sides in (groups or {}).items()}
    named["equal"] = ClassMap(column, {"first": range(classes // 2), "second": range(classes // 2, classes)})
    learnable = list(named.items())[: n - coins]
    # The seed of a half follows from its place: a longer ladder has the same first rungs.
    learnable += [
        (f"half_{place}", ClassMap.halves(column, classes, seed + place)) for place in range(len(learnable) + 1, n - coins + 1)
    ]
    tasks: list[Task] = [Binary(name, label=label) for name, label in learnable]
    return Tasks(*tasks, *(Binary(f"coin_{place}", label=RandomLabels(seed=seed + place)) for place in range(1, coins + 1)))


def controls_of(tasks: Tasks) -> tuple[str, ...]:
    """Return the names of the tasks that cannot be learned from the input: the coins."""
    return tuple(name for name, task in tasks.items() if isinstance(task.label, RandomLabels))


def rungs(tasks: Tasks, counts: Sequence[int], mixes: Sequence[tuple[int, int]] = ()) -> dict[str, tuple[str, ...]]:
    """Return the names of the tasks of each rung of a ladder.

    Args:
        tasks: All tasks, in their order.
        counts: Numbers of tasks that can be learned; a rung has the first so many.
        mixes: Numbers of such tasks and of coins; a rung has the first of both.

    Returns:
        Names of tasks by the name of the rung: `tasks_3` for a count of 3, `tasks_5_coins_5` for a mix of 5 and 5.

    Raises:
        MTLError: If there is no rung, one has no task, or more tasks or coins than there are.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.binary_tasks(4, "digit", 10, coins=1)
        >>> mtl.rungs(tasks, (1, 2), ((1, 1),))
        {'tasks_1': ('equal',), 'tasks_2': ('equal', 'half_2'), 'tasks_1_coins_1': ('equal', 'coin_1')}
    """
    coins = controls_of(tasks)
    learnable = [name for name in tasks if name not in coins]
    asked = [(count, 0) for count in counts] + [(count, drawn) for count, drawn in mixes]
    if not asked:
        raise MTLError("A ladder has at least one rung. Received: no count and no mix. Give e.g. counts=(1, 3, 5).")
    found = {}
    for count, drawn in asked:
        for what, number, there in (("tasks that can be learned", count, learnable), ("coins", drawn, coins)):
            if type(number) is not int or not 0 <= number <= len(there):
                raise MTLError(
                    f"A rung has some of the tasks that there are. Received: {number!r} {what} of {len(there)}. "
                    "Make more with binary_tasks, or ask for fewer."
                )
        if count + drawn == 0:
            raise MTLError("A rung has at least one task. Received: 0 tasks and 0 coins. Leave it out.")
        found[f"tasks_{count}" + (f"_coins_{drawn}" if drawn else "")] = (*learnable[:count], *coins[:drawn])
    return found
