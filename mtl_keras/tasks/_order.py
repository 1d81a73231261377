"""The order in which heads are built, given which tasks take the output of another one."""

from __future__ import annotations

from collections.abc import Mapping

from mtl_keras.errors import MTLError, unknown
from mtl_keras.tasks._tasks import Tasks

__all__ = ["order_by_source"]


def order_by_source(tasks: Tasks, stack: Mapping[str, str]) -> list[str]:
    """Return the names of the tasks, each after those from which it is derived or on which it is stacked.

    Args:
        tasks: All tasks.
        stack: For some of them, the task whose output is a feature of their heads.

    Raises:
        MTLError: If a name is unknown, if the output of a source is not class probabilities, if a stacked task is derived as
            well, or if the order is circular.
    """
    for name, source in stack.items():
        for named in (name, source):
            if named not in tasks:
                raise unknown("task in stack", named, tasks)
        if tasks[name].source is not None:
            raise MTLError(
                f"A task must not be both derived and stacked. Received: {name!r}, derived from {tasks[name].source!r} and "
                f"stacked on {source!r}. Leave one out."
            )
        if not tasks[source].probabilities:
            raise MTLError(
                f"A task must be stacked on class probabilities. Received: {name!r} on {source!r}, a "
                f"{type(tasks[source]).__name__}. Stack it on a classification."
            )
    ordered: list[str] = []

    def place(name: str, below: tuple[str, ...]) -> None:
        if name in below:
            circle = " on ".join([*below[below.index(name) :], name])
            raise MTLError(f"`stack` must not be circular. Received: {circle}. Leave one out.")
        if name not in ordered:
            for source in (tasks[name].source, stack.get(name)):
                if source is not None:
                    place(source, (*below, name))
            ordered.append(name)

    for name in tasks:
        place(name, ())
    return ordered
