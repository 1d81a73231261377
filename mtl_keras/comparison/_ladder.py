"""`ladder`: one network on more and more tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtl_keras.comparison._compare import Comparison, compare
from mtl_keras.comparison._plan import Plan
from mtl_keras.data import Data
from mtl_keras.model import Recipe
from mtl_keras.tasks import rungs
from mtl_keras.training import Phase

__all__ = ["ladder"]


def ladder(
    recipe: Recipe,
    data: Data,
    *phases: Phase,
    counts: Sequence[int] = (),
    mixes: Sequence[tuple[int, int]] = (),
    **options: Any,
) -> Comparison:
    """Train one network on more and more tasks, and on mixes of tasks and coins, each from several seeds.

    Args:
        recipe: The network for all tasks, e.g. those of `binary_tasks`; a rung has the heads of its own tasks.
        data: With all tasks.
        *phases: How each rung is trained.
        counts: Numbers of tasks; see `rungs`.
        mixes: Numbers of tasks and of coins; see there.
        **options: Of `compare`: `seeds`, `baseline` (names of tasks to be trained alone as well), `output_dir`, `resume` ...

    Returns:
        The comparison of the rungs; everything in it is in its folder too, with the pictures of a ladder.

    Raises:
        MTLError: As `rungs` and `compare`.

    Example:
        tasks = mtl.binary_tasks(50, "fine", 100, groups=mtl.data.CIFAR100_GROUPS)
        data = mtl.data.load("cifar100", tasks, data_dir="data")
        recipe = mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape, shared=(256, 256)).recipe
        mtl.ladder(recipe, data, mtl.Phase(epochs=15), counts=(3, 5, 10), baseline=("living", "big"), seeds=3)
    """
    plans = {name: Plan(recipe.only(*tasks), phases) for name, tasks in rungs(recipe.tasks, counts, mixes).items()}
    return compare(plans, data, **options)
