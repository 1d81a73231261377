"""Digit, parity and reconstruction: three tasks on scikit-learn's 8x8 handwritten digits.

Needs no downloads and no files. `mtl-keras tune` without a study runs this one. Expected time: about 1 minute on 2 idle cores.
Expected score: test accuracies of about .97 for the digit and .98 for its parity, and a reconstruction error of about .017.
Three single-task networks, with the hyperparameters that were searched for the joint one, reach about .96, .985 and .014 (three
seeds, indicative): sharing is no gain on the whole.

    mtl-keras tune digits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mtl_keras as mtl

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"), mtl.Reconstruction("image"))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search a shared stack of one or two layers, heads of up to one layer, learning rate and loss weights of a small CNN."""
    settings = context.settings
    recipe = mtl.Recipe(
        tasks=context.tasks,
        backbone=settings.new_backbone(),
        image_shape=context.image_shape,
        shared=mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(64, 128)),
        heads={name: mtl.search.dense_stack(hp, name, depth=(0, 1), width=(64, 128)) for name in context.tasks},
    )
    # A squared error of pixels in [0, 1] is about a hundred times smaller than a cross-entropy.
    weights = mtl.search.loss_weights(hp, context, low=0.1, high=100.0)
    learning_rate = hp.Float("learning_rate", 1e-3, 2e-2, sampling="log", default=5e-3)
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting=weights,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


STUDY = mtl.Study(
    name="digits",
    summary="Does one small CNN classify a digit, tell odd from even and reconstruct it better than three networks do?",
    tasks=TASKS,
    data="digits",
    image_shape=(8, 8, 1),
    space=space,
    settings=mtl.search.Settings(backbone="SmallCNN", trials=10, epochs=12, batch_size=64, n_final_seeds=3),
    quick={"trials": 2, "epochs": 2, "n_final_seeds": 2},
)
