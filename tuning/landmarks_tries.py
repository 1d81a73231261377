"""What else the original of study 003 tried: learning rate, dropout, batch size, and training the backbone too.

Its report names these tries without values. All of them are its approach 3 (landmarks first, then a head for categories) on the
photos and the backbone of the study `landmarks`. The first six train on cached features of the frozen backbone at 224 px; the
last two compare a frozen with a trained backbone at 96 px, without augmented versions. Expected time: about 25 minutes on 2
cores. Expected score: a mean macro F1 of about .88 for landmarks at 224 px as run.

    mtl-keras reproduce landmarks_tries --data-dir DIR

The default search space of the toolkit, on one split:

    mtl-keras tune landmarks_tries --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mtl_keras as mtl

from ._landmarks import ORIGINAL, STACK, TASKS, Settings, head_swap
from ._seen import quote

#: A setting that differs for whether the backbone is trained, and is else the same.
SMALL = {"image_size": 96, "repeat": (), "views": (), "batch_size": 32, "epochs": 15}


def first_stage(dropout: float = STACK.dropout, rate: float = 1e-3) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return approach 3 with another dropout, or another learning rate of its first stage."""
    optimizer: dict[str, Any] = {"class_name": "Adam", "config": {"learning_rate": rate}}
    return head_swap("landmark", "category", stack=replace(STACK, dropout=dropout), optimizer=optimizer)


CONFIGURATIONS = {
    "as_run": mtl.search.Configuration(
        "Approach 3 as the original ran it: learning rate 1e-3, dropout .1, batches of 128, frozen backbone.",
        first_stage(),
        ORIGINAL,
    ),
    "rate_3e-3": mtl.search.Configuration(
        "Learning rate 3e-3 in the first stage, which the report calls best.", first_stage(rate=3e-3), ORIGINAL
    ),
    "rate_1e-4": mtl.search.Configuration("Learning rate 1e-4 in the first stage.", first_stage(rate=1e-4), ORIGINAL),
    "no_dropout": mtl.search.Configuration("No dropout.", first_stage(dropout=0.0), ORIGINAL),
    "dropout_0.3": mtl.search.Configuration("Dropout .3.", first_stage(dropout=0.3), ORIGINAL),
    "batch_32": mtl.search.Configuration("Batches of 32.", first_stage(), {**ORIGINAL, "batch_size": 32}),
    "frozen_96px": mtl.search.Configuration(
        "Frozen backbone at 96 px, no augmented versions, batches of 32, 15 epochs.", first_stage(), SMALL
    ),
    "trained_96px": mtl.search.Configuration(
        "The same with all of the backbone trained in the first stage, learning rate 1e-4.",
        first_stage(rate=1e-4),
        {**SMALL, "freeze": False},
    ),
}

#: The tries of each question, and what they are compared with.
QUESTIONS = {
    "The report: of several learning rates .003 is best (what ran in its first stage was .001).": ("rate_3e-3", "rate_1e-4"),
    "The report: little dropout is best where landmarks come first.": ("no_dropout", "dropout_0.3"),
    "The report: of batches of 32, 64 and 128 the last are best.": ("batch_32",),
    "The report: layers were frozen and unfrozen; its networks have a frozen backbone.": ("trained_96px",),
}


def reference(run: str) -> str:
    """Return what a try is compared with."""
    return "frozen_96px" if run == "trained_96px" else "as_run"


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Return what each try changes in landmarks; all tests are corrected together."""
    tries = [run for runs in QUESTIONS.values() for run in runs]
    differences = [record.difference(run, reference(run), "landmark", "macro_f1") for run in tries]
    said = dict(zip(tries, mtl.report.verdicts(differences), strict=True))

    def reached(run: str) -> str:
        return quote(record, run, "landmark", "macro_f1")

    return [
        {
            "claim": claim,
            "verdict": " ".join(f"{said[run]} They reach {reached(run)} and {reached(reference(run))}." for run in runs),
        }
        for claim, runs in QUESTIONS.items()
    ]


def finding(record: mtl.report.Record) -> str:
    """Return the range of the tries."""
    reached = {run: record.mean(run, "landmark", "macro_f1") for run in record.approaches}
    best, worst = max(reached, key=lambda run: reached[run]), min(reached, key=lambda run: reached[run])
    return (
        f"Of {len(reached)} variants of the published approach, {best} reaches the highest mean macro F1 of landmarks "
        f"({reached[best]:.3f}), {worst} the lowest ({reached[worst]:.3f}); as run it is {reached['as_run']:.3f}."
    )


STUDY = mtl.Study(
    name="landmarks_tries",
    summary="Landmarks first, then categories: what do learning rate, dropout, batch size and a trained backbone change?",
    tasks=TASKS,
    data="landmarks",
    image_shape=(256, 256, 3),
    settings=Settings(
        backbone="EfficientNetLite0", image_size=224, freeze=True, trials=6, epochs=30, batch_size=64, n_final_seeds=5
    ),
    quick={"trials": 2, "epochs": 2, "second_epochs": 1, "n_final_seeds": 2, "image_size": 64, "train_rows": 120},
    configurations=CONFIGURATIONS,
    split_per_seed=True,
    claims=claims,
    finding=finding,
)
