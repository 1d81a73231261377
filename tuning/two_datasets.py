"""CIFAR-10 and photos of clothing in turns on one network, of which no image has both labels (study 004).

Each step is of one data set, drawn by coins; the original's network, an EfficientNet-B0 in the style of CIFAR networks, learns
from scratch. The original gave each task half the steps that it had alone, so that two things were lost or gained at once;
here a second schedule gives each as many as alone. FashionRGB cannot be had: the second data set is that of the five most
frequent garments of a CC0 collection, and CIFAR-10 is cut to 10,000 training images, for 10 epochs, where the published runs
had 60,000 and 10,000 images for about 90. So differences are to be compared, not levels.

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3

took 137 minutes on one core beside other work, when it was recorded (two free cores: not measured); expect test accuracies
of .49 for objects by coins, .57 with as many steps as alone and .55 alone, of garments .75, .72 and .70. The same on cached
features of a frozen pretrained trunk and one trained layer that both tasks share (`pip install "mtl-keras[offline]"`) takes 6
minutes; expect .81 to .82 and .85 to .86, and no difference:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 5 --set pretrained=true

With batch normalization's moving statistics of each data set for itself, from scratch:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3 --set own_statistics=true

The search varies layers that both tasks share and the learning rate:

    mtl-keras tune two_datasets --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("class", classes=10), mtl.Classification("garment", classes=5))
#: Of 45,000.
CIFAR10_ROWS = 10_000


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Adds the choice of the trunk and of its statistics.

    Args:
        own_statistics: Whether batch normalization keeps moving statistics of each data set; not with a frozen trunk.
        pretrained: Whether both heads stand on a trained layer over cached features of a frozen EfficientNet-Lite0, instead of
            a network from scratch. Nothing is cropped or flipped then, since features are computed once.
    """

    own_statistics: bool = False
    pretrained: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pretrained:
            object.__setattr__(self, "online", ())

    def new_backbone(self) -> mtl.Backbone:
        """Return the trunk: the pretrained one at 96 px, or the original's."""
        if self.pretrained:
            return mtl.Backbone("EfficientNetLite0", image_size=self.image_size or 96)
        return mtl.Backbone("CifarEfficientNetB0")


def few_of_cifar10(tasks: mtl.Tasks, data_dir: str | None, seed: int) -> mtl.data.Data:
    """CIFAR-10 with a part of its training images and all of its test images."""
    whole = mtl.data.load("cifar10", tasks, data_dir=data_dir, seed=seed)
    return replace(whole.subset(CIFAR10_ROWS, seed=seed), test=whole.test)


def plan(context: mtl.search.Context, shared: mtl.Head | None = None, learning_rate: float = 1e-3) -> mtl.Plan:
    """The original's network and training; over a frozen trunk with one layer that is trained."""
    settings = context.settings
    if shared is None:
        shared = mtl.Head(dense=(512,), dropout=0.2) if settings.pretrained else mtl.Head()
    recipe = mtl.Recipe(
        context.tasks,
        settings.new_backbone(),
        context.image_shape,
        shared,
        freeze=settings.pretrained,
        # Each data set has one task.
        batch_norm_groups=tuple((name,) for name in context.tasks) if settings.own_statistics else (),
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Depth, width and dropout of layers that both tasks share, and the learning rate."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.0, 0.2, 0.5))
    return plan(context, shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


def published(run: str, task: str, said: float, logged: float, said_of: str) -> tuple[dict[str, Any], ...]:
    """What the original's README says, and the best epoch of its log."""
    of = ", of FashionRGB" if task == "garment" else ""
    values = ((said, f"README, {said_of}{of}"), (logged, f"best epoch of the log{of}"))
    return tuple({"run": run, "task": task, "metric": "accuracy", "value": value, "note": note} for value, note in values)


CONFIGURATIONS = {
    "coin": mtl.search.Configuration(
        "In each iteration a fair coin for each data set, heads is a step of it: half the steps that each has alone and more.",
        plan,
        {"sampling": "coin", "steps": None},
        baselines=True,
        published=(
            *published("coin", "class", 0.806, 0.841, "last epoch"),
            *published("coin", "garment", 0.803, 0.8055, "last epoch"),
            *published("single-task", "class", 0.887, 0.8898, "best epoch"),
            *published("single-task", "garment", 0.774, 0.7889, "best epoch"),
        ),
    ),
    "equal_steps": mtl.search.Configuration(
        "As many steps of each data set in an epoch as it has alone, in random order.",
        plan,
        {"sampling": "coin", "steps": "single-task"},
        baselines=True,
    ),
}


def claims(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What became of the original's findings."""

    def points(one: str, other: str, task: str) -> str:
        return mtl.report.points(mtl.report.pairwise(metrics, one, other, task, "accuracy"))

    def verdict(task: str) -> str:
        return (
            f"Here {points('coin', 'single-task', task)} points by coins (95 % interval over seeds). With as many steps as "
            f"alone {points('equal_steps', 'single-task', task)}: that is what sharing does. Between both, what the number of "
            f"steps does: {points('coin', 'equal_steps', task)}."
        )

    return [
        {
            "claim": "CIFAR-10 loses 8.1 points by training on both (4.9 by the best epochs of the logs).",
            "verdict": verdict("class"),
        },
        {
            "claim": "Clothing gains 2.9 points by training on both (1.7 by the best epochs), on other photos of clothing.",
            "verdict": verdict("garment"),
        },
    ]


STUDY = mtl.Study(
    name="two_datasets",
    summary="Objects and garments from two data sets in turns: what is lost by sharing, and what by fewer steps?",
    tasks=TASKS,
    data={few_of_cifar10: ("class",), "clothing": ("garment",)},
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        sampling="coin",
        online=("flip_lr", "crop"),
        epochs=10,
        batch_size=128,
        trials=6,
        n_final_seeds=3,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 300},
    configurations=CONFIGURATIONS,
    claims=claims,
)
