"""Tasks that take another one's output as a feature, and the order in which heads are built."""

from __future__ import annotations

from collections.abc import Mapping

from mtl_keras.errors import MTLError, unknown
from mtl_keras.tasks._base import Tasks

__all__ = ["in_order"]


def in_order(tasks: Tasks, stack: Mapping[str, str]) -> list[str]:
    """Return the tasks' names, each behind those whose outputs it is derived from or stacked on.

    Args:
        tasks: All tasks.
        stack: For some of them the task whose output is a feature of their heads.

    Raises:
        MTLError: If a name is unknown, a source gives no class probabilities, a stacked task is derived as well, or a task
            is, in the end, its own source.
    """
    for name, source in stack.items():
        for named in (name, source):
            if named not in tasks:
                raise unknown("task in stack", named, tasks)
        if tasks[name].source is not None:
            raise MTLError(
                f"A task is derived or stacked, not both. Received: {name!r}, derived from {tasks[name].source!r} and stacked "
                f"on {source!r}. Leave one out."
            )
        if not tasks[source].probabilities:
            raise MTLError(
                f"A task is stacked on class probabilities. Received: {name!r} on {source!r}, a "
                f"{type(tasks[source]).__name__}. Stack it on a classification."
            )
    placed: list[str] = []

    def place(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = " on ".join([*above[above.index(name) :], name])
            raise MTLError(
                f"A task is stacked on one that stands without it. Received: stacked in a circle: {circle}. Leave one out."
            )
        if name not in placed:
            for source in (tasks[name].source, stack.get(name)):
                if source is not None:
                    place(source, (*above, name))
            placed.append(name)

    for name in tasks:
        place(name, ())
    return placed
