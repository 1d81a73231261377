"""CIFAR-10 and photos of clothing, alternated on one network; no image has both labels (study 004).

Each step uses one data set, drawn at random. The original's network, an EfficientNet-B0 in the style of CIFAR networks, is
trained from scratch. The original gave CIFAR-10 half the steps that it had alone, so that sharing and fewer steps were measured
together; a smaller data set gets more steps than alone, here 2.2 times as many. A second schedule gives each task as many steps
as alone. FashionRGB is unavailable: the second data set consists of the five most frequent garments of a CC0 collection, with
2,248 training images. CIFAR-10 is reduced to 10,000 training images and 10 epochs; the published runs used 50,000 and about
5,000 training images for 63 to 102 epochs. Compare differences, therefore, not levels.

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3

Expected time: 137 minutes on one core of a busy machine. Expected score: test accuracies at the best (last) epoch of .49 (.47)
for objects with random alternation, .57 (.56) with as many steps as alone and .55 (.56) alone; for garments .75 (.76), .72
(.70) and .70 (.71). On cached features of a frozen pretrained trunk with one trained layer that both tasks share (`pip install
"mtl-keras[offline]"`) it takes 6 minutes and reaches .81 to .82 and .85 to .86:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 5 --set pretrained=true

With domain-specific batch normalization, from scratch:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3 --set domain_batch_norm=true

The search varies layers that both tasks share and the learning rate:

    mtl-keras tune two_datasets --data-dir DIR
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mtl_keras as mtl

from ._two_datasets_claims import change_table, claims, finding
from ._two_datasets_published import published

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("class", classes=10), mtl.Classification("garment", classes=5))
#: Training images of CIFAR-10 that are used, of 45,000.
CIFAR10_ROWS = 10_000


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with a choice of the trunk and of its batch normalization.

    Args:
        domain_batch_norm: Whether batch normalization keeps separate moving statistics for each data set; not with a frozen
            trunk.
        pretrained: Whether to train one shared layer on cached features of a frozen EfficientNet-Lite0 instead of a network
            from scratch. Nothing is cropped or flipped then, since features are computed once.
    """

    domain_batch_norm: bool = False
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
    """Return CIFAR-10 with a part of its training images and all of its test images."""
    whole = mtl.data.load("cifar10", tasks, data_dir=data_dir, seed=seed)
    return replace(whole.subset(CIFAR10_ROWS, seed=seed), test=whole.test)


def plan(context: mtl.search.Context, shared: mtl.Head | None = None, learning_rate: float = 1e-3) -> mtl.Plan:
    """Return the original's network and training; on a frozen trunk one layer is trained."""
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
        batch_norm_groups=tuple((name,) for name in context.tasks) if settings.domain_batch_norm else (),
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search depth, width and dropout of the layers that both tasks share, and the learning rate."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.0, 0.2, 0.5))
    return plan(context, shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


CONFIGURATIONS = {
    "coin": mtl.search.Configuration(
        "In each iteration of an epoch of CIFAR-10 alone, each data set has a step with probability 1/2: about half as many "
        "steps of CIFAR-10 as alone, but about 2.2 times as many of the smaller clothing set (39 against 18 an epoch).",
        plan,
        {"sampling": "coin", "steps": None},
        baselines=True,
        published=(*published("coin"), *published("single-task")),
    ),
    "equal_steps": mtl.search.Configuration(
        "As many steps of each data set in an epoch as it has alone, in random order.",
        plan,
        {"sampling": "coin", "steps": "single-task"},
        baselines=True,
    ),
}


STUDY = mtl.Study(
    name="two_datasets",
    summary="Objects and garments from two alternated data sets: what is lost by sharing, and what by fewer steps?",
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
    finding=finding,
    tables=lambda record: [change_table(record)],
)
