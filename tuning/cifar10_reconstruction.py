"""Ten classes, animal or transport, and reconstruction with one small encoder on CIFAR-10 (study 002).

The configurations are the original's experiments 1 to 5, one of them with random labels as a fourth task, and its three ways to
combine losses without fixed weights. The encoder is that of its published baselines (8, 16 and 32 channels; the widths of the
experiments are not known), trained on 20,000 images for 12 epochs; the published runs took 100 to 850 epochs on 50,000.
Expected time: 4,869 s, or 81 minutes, on 2 busy cores. Expected score on test: a class accuracy of .40 to .50, an animal
accuracy of .89 to .90 and a reconstruction error of .013 to .022.

    mtl-keras reproduce cifar10_reconstruction --data-dir DIR --seeds 3

The search is for one model that does all three tasks with a bottleneck of 32 numbers, on all 45,000 training images: trials of
4 epochs, then one training of 30. Its network is wider, with 732,366 parameters. Expected time: about 25 minutes on 2 cores.
Expected score on test: .75, .96 and .0118. The published ones, each of another network, are .745 (experiment 3), .9477 and
.0118 (single-task baselines at the last epoch; .9512 and .0116 at their best on the test images).

    mtl-keras tune cifar10_reconstruction --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._cifar10_reconstruction_claims import claims, finding
from ._cifar10_reconstruction_published import ORIGINALS, SHORT, THREE
from ._cifar10_reconstruction_tables import plots, tables

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
TRANSPORT = ("airplane", "automobile", "ship", "truck")

TASKS = mtl.Tasks(
    mtl.Classification("class", classes=10),
    mtl.Binary("animal", label=mtl.ClassMap("label", {"transport": TRANSPORT, "animal": ANIMALS})),
    mtl.Reconstruction("image"),
    mtl.Binary("coin", label=mtl.RandomLabels(seed=0)),
)

#: The original's head for classes: global max pooling and one dense layer.
CLASS_HEAD = mtl.Head(dense=(256,), pooling="max")


def encoder(convolutions: int, dropout: float, dropout_at: str = "each") -> mtl.Backbone:
    """Return the encoder of the published baselines: three strided convolutions (VI), or two around one pooling (V)."""
    shape: dict[str, Any] = (
        {"filters": (8, 16, 32), "strides": 2, "norm": "after"}
        if convolutions == 3
        else {"filters": (16, 32), "strides": 1, "pool": (2, 1), "norm": None}
    )
    return mtl.Backbone("SmallCNN", pooling=None, dropout=dropout, dropout_at=dropout_at, **shape)


def experiment(
    weighting: str | Mapping[str, float],
    *,
    convolutions: int = 3,
    dropout: float = 0.2,
    dropout_at: str = "each",
    tasks: Sequence[str] = THREE,
) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return one of the original's experiments."""

    def plan(context: mtl.search.Context) -> mtl.Plan:
        mirror = (
            mtl.Decoder(latent=32, filters=(32, 16, 8), dropout=dropout if dropout_at == "each" else 0.0, batch_norm=True)
            if convolutions == 3
            else mtl.Decoder(latent=32, filters=(32, 16), strides=(1, 2))
        )
        own = context.tasks.only(*tasks)
        recipe = mtl.Recipe(
            tasks=own,
            backbone=encoder(convolutions, dropout, dropout_at),
            image_shape=context.image_shape,
            heads={name: mirror if name == "image" else CLASS_HEAD for name in own},
        )
        phase = mtl.Phase(
            epochs=context.settings.epochs,
            batch_size=context.settings.batch_size,
            weighting=weighting,
            optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-3, "clipnorm": 1.0}},
            patience=context.settings.patience,
        )
        return mtl.Plan(recipe, (phase,))

    return plan


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search loss weights, learning rate and dropout of one wider network with the same bottleneck, without random labels."""
    settings = context.settings
    three = replace(context, tasks=context.tasks.only(*THREE))
    # A squared error of pixels in [0, 1] is about a hundred times smaller than a cross-entropy.
    weights = mtl.search.loss_weights(hp, three, low={"animal": 0.25, "image": 30.0}, high={"animal": 2.0, "image": 120.0})
    learning_rate = hp.Float("learning_rate", 1e-3, 4e-3, sampling="log", default=2e-3)
    # Without dropout short trials are best, but long trainings are not.
    dropout = hp.Choice("dropout", [0.1, 0.2], default=0.1)
    head = mtl.Head(dense=(256,), dropout=0.3, pooling="max")
    recipe = mtl.Recipe(
        tasks=three.tasks,
        backbone=mtl.Backbone("SmallCNN", pooling=None, filters=(64, 128, 256), dropout=dropout),
        image_shape=context.image_shape,
        heads={"class": head, "animal": head, "image": mtl.Decoder(latent=32, filters=(64, 32, 16), batch_norm=True)},
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting=weights,
        optimizer={
            "class_name": "AdamW",
            "config": {"learning_rate": learning_rate, "weight_decay": 1e-4, "clipnorm": 1.0},
        },
        schedule="cosine",
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


CONFIGURATIONS = {
    "exp1": mtl.search.Configuration(
        "Three convolutions, weights 1, .5, 1, no dropout.",
        experiment({"class": 1.0, "animal": 0.5, "image": 1.0}, dropout=0.0),
        SHORT,
    ),
    "exp2": mtl.search.Configuration(
        "Three convolutions, weights 1, .5, 1, dropout after the last of them only.",
        experiment({"class": 1.0, "animal": 0.5, "image": 1.0}, dropout_at="last"),
        SHORT,
        published=ORIGINALS["exp2"].published,
    ),
    "exp3": mtl.search.Configuration(
        "Three convolutions, weights .5, .1, 1, dropout after each; the single-task baselines have this network and "
        "its hyperparameters.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0}),
        SHORT,
        baselines=True,
        published=ORIGINALS["exp3"].published,
    ),
    "exp4": mtl.search.Configuration(
        "Two convolutions, weights .5, .1, 1, dropout after the last.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0}, convolutions=2, dropout_at="last"),
        SHORT,
        published=ORIGINALS["exp4"].published,
    ),
    "exp5": mtl.search.Configuration(
        "Experiment 3 with random labels (task coin) as a fourth task of weight .1.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0, "coin": 0.1}, tasks=(*THREE, "coin")),
        SHORT,
        published=ORIGINALS["exp5"].published,
    ),
    "geometric_mean": mtl.search.Configuration(
        "Experiment 3 with the geometric mean of the losses.",
        experiment("geometric_mean"),
        SHORT,
        published=ORIGINALS["geometric_mean"].published,
    ),
    "uncertainty": mtl.search.Configuration(
        "Experiment 3 weighted by uncertainty (Kendall et al. 2018).",
        experiment("uncertainty"),
        SHORT,
        published=ORIGINALS["uncertainty"].published,
    ),
    "dwa": mtl.search.Configuration(
        "Experiment 3 with dynamic weight averaging (Liu et al. 2019).",
        experiment("dwa"),
        SHORT,
        published=ORIGINALS["dwa"].published,
    ),
}


STUDY = mtl.Study(
    name="cifar10_reconstruction",
    summary="Ten classes, animal or transport, and reconstruction: what does one small encoder reach on each of them?",
    tasks=TASKS,
    data="cifar10",
    image_shape=(32, 32, 3),
    space=space,
    settings=mtl.search.Settings(
        trials=3,
        epochs=4,
        batch_size=128,
        n_final_seeds=1,
        final_epochs=30,
        baselines=False,
        tuner="bayesian",
        online=("flip_lr", "crop"),
    ),
    quick={"trials": 2, "epochs": 1, "final_epochs": 1, "n_final_seeds": 2, "train_rows": 500},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    plots=plots,
    tables=tables,
)
