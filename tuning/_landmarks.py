"""What studies of the landmarks share: tasks, settings, the original's network and its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mtl_keras as mtl

__all__ = ["ORIGINAL", "STACK", "TASKS", "Settings", "head_swap", "phase", "recipe", "second"]

TASKS = mtl.Tasks(mtl.Classification("landmark", classes=30), mtl.Classification("category", classes=6))

#: The original's dense layers, each followed by dropout; in the original the last one, of 30 units, was not.
STACK = mtl.Head(dense=(1280, 540, 270, 135, 62, 30), dropout=0.1)

#: The original's offline augmentation: five rows of each photo, all of them stretched in contrast.
FIVEFOLD = ("stretch", ("rotate", "stretch"), ("flip_lr", "stretch"), ("flip_up", "stretch"), ("noise", "stretch"))
#: The same settings for all five; the original's differed, by its report.
ORIGINAL = {"image_size": 224, "repeat": FIVEFOLD, "views": (), "batch_size": 128, "epochs": 50}


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with the length of second phases and the number of folds.

    Args:
        second_epochs: Epochs of a phase that follows another.
        folds: Number of models that predict the out-of-fold outputs of a stacked task.
    """

    second_epochs: int = 20
    folds: int = 5


def recipe(context: mtl.search.Context, tasks: mtl.Tasks, **parts: Any) -> mtl.Recipe:
    """Return a network on the study's frozen trunk."""
    settings = context.settings
    return mtl.Recipe(tasks, settings.new_backbone(), context.image_shape, freeze=settings.freeze, **parts)


def phase(context: mtl.search.Context, **options: Any) -> mtl.Phase:
    """Return the original's training, which ran at Adam's default rate, contrary to the report."""
    defaults = {"epochs": context.settings.epochs, "batch_size": context.settings.batch_size, "optimizer": "adam"}
    return mtl.Phase(**{**defaults, **options})


def second(context: mtl.search.Context, task: str, *frozen: str) -> mtl.Phase:
    """Return the original's second stage."""
    return phase(
        context,
        epochs=context.settings.second_epochs,
        tasks=(task,),
        freeze=("backbone", *frozen),
        optimizer={"class_name": "Adam", "config": {"learning_rate": 3e-3}},
        monitor=f"val_{task}_loss",
    )


def head_swap(first: str, then: str, *, stack: mtl.Head = STACK, **options: Any) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Train the stack for one task, then only the head of the other one on the frozen stack.

    Args:
        first: The task of the first stage.
        then: The task of the second stage.
        stack: The layers that both share.
        **options: Of the first stage, fields of `mtl.Phase`.
    """

    def plan(context: mtl.search.Context) -> mtl.Plan:
        tasks = mtl.Tasks(context.tasks[first], context.tasks[then])
        begin = phase(context, tasks=(first,), monitor=f"val_{first}_loss", **options)
        return mtl.Plan(recipe(context, tasks, shared=stack), (begin, second(context, then, "shared", first)))

    return plan
