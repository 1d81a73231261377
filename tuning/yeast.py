"""Fourteen labels of 2,417 yeast genes: one network for all of them, or one model for each?

`yeast.csv.gz`, 103 numbers and the labels `Class1` to `Class14` of each gene (A. Elisseeff and J. Weston, NIPS 2001), lies in
`DIR` or comes with `pip install river`. Five folds, each with its own seed; the epoch is the best one on validation, by AUC.
`full` has every label; in `half` each label of the training rows is removed with probability .5, independently of the others. A
network of one label then has half the rows, and half the steps, of the one for all. Both have the same hyperparameters: width
and dropout are the best of four tried with the network for all on the validation rows of the first fold, some of which are test
rows of others; learning rate, batch size and epochs were set for a short run. `Class14` has 5 to 9 genes in a test fold.

    mtl-keras reproduce yeast --data-dir DIR

Expected time: 15 minutes on one idle core. Expected score: a mean test AUC of about .71, and of .70 with half of the labels.
Models of scikit-learn on the same rows and labels are added to the record, in 4 minutes, by

    python -m benchmarks.yeast RUN --data-dir DIR

The search varies the network and the learning rate, on one fold:

    mtl-keras tune yeast --data-dir DIR
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import mtl_keras as mtl
from mtl_keras import errors, tables

from ._yeast_tables import LABELS, compared_tables, finding

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

FILE = "yeast.csv.gz"
INPUTS = dict.fromkeys([f"Att{i}" for i in range(1, 104)], "number")
TASKS = mtl.Tasks(*(mtl.Binary(name, classes=[0, 1], skill="auc") for name in LABELS))


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with the share of labels that are removed.

    Args:
        removed: Probability, in `[0, 1)`, with which each label of each training row is removed; default 0.
    """

    removed: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        errors.check_fraction("removed", self.removed, bounds="[)", example=0.5)


@dataclass(frozen=True)
class PartlyLabeled(mtl.Study):
    """A study whose training rows lose labels as its settings say."""

    def load(self, settings: mtl.search.Settings, data_dir: str | Path | None = None) -> mtl.data.Data:
        """Load the data and remove labels of training rows; other ones in each fold and each division."""
        data = super().load(settings, data_dir)
        removed = settings.removed if isinstance(settings, Settings) else 0.0
        if not removed:
            return data
        rng = np.random.default_rng((settings.split_seed, settings.split_fold))
        weight = {name: each * (rng.random(len(each)) >= removed) for name, each in data.train.weight.items()}
        return replace(data, train=replace(data.train, weight=weight))


def find_table(data_dir: str | None) -> Path:
    """Return the path of the table: in the folder, or in the package `river`, which is not imported.

    Raises:
        MTLError: If it is in neither.
    """
    river = importlib.util.find_spec("river")
    folders = [Path(data_dir)] if data_dir is not None else []
    folders += [Path(place) / "datasets" for place in (river.submodule_search_locations or ())] if river else []
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    raise errors.MTLError(
        f"{FILE} must be in the data folder or in the package river. Received: data_dir={data_dir!r}, and river is "
        f"{'installed without it' if river else 'not installed'}. Copy it there, or install river."
    )


def load(tasks: mtl.Tasks, data_dir: str | None, split_seed: int, folds: int | None = None, fold: int = 0) -> mtl.data.Data:
    """Load the table. A fold, or a fifth, is the test split, and 15 % of the rest of the rows are for validation."""
    splits = mtl.data.Splits(validation=0.15, test=0.2).at_fold(folds, fold)
    return mtl.data.from_table(find_table(data_dir), tasks, inputs=INPUTS, splits=splits, seed=split_seed)


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search width, depth and dropout of an MLP with one output a label, and the learning rate."""
    settings = context.settings
    backbone = settings.new_backbone().replace(
        columns=context.columns,
        width=hp.Choice("width", [64, 128, 256], default=256),
        depth=hp.Choice("depth", [1, 2], default=2),
        dropout=hp.Choice("dropout", [0.0, 0.3, 0.5], default=0.5),
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting="equal",
        optimizer={
            "class_name": "Adam",
            "config": {"learning_rate": hp.Float("learning_rate", 3e-4, 5e-3, sampling="log", default=2e-3)},
        },
        patience=settings.patience,
    )
    return mtl.Plan(mtl.Recipe(context.tasks, backbone, context.image_shape), (phase,))


STUDY = PartlyLabeled(
    name="yeast",
    summary="Fourteen labels of yeast genes: is one network for all better than one for each, and if labels are missing?",
    tasks=TASKS,
    data=load,
    image_shape=(len(INPUTS),),
    # For what is built without the table; each training has the means and deviations of its own training rows.
    columns=tuple(tables.Column(name, kind, scale=0.1) for name, kind in INPUTS.items()),
    space=space,
    settings=Settings(backbone="MLP", epochs=10, batch_size=32, trials=10, n_final_seeds=5, split_folds=5),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2},
    configurations={
        "full": mtl.search.Configuration("All labels of the training rows.", {}, baselines=True),
        "half": mtl.search.Configuration(
            "Each label of each training row is removed with probability .5, independently; validation and test rows keep all.",
            {},
            {"removed": 0.5},
            baselines=True,
        ),
    },
    finding=finding,
    tables=compared_tables,
)
