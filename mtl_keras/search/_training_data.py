"""The data of each training of a comparison or reproduction: that of the study, its k-th split, or its k-th fold."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study

__all__ = ["check_trainings", "split_config", "training_data"]

#: Data sets in memory at once: those of one seed may differ by configuration.
DATA_HELD = 4


def training_data(study: Study, options: Options) -> Callable[[Settings], Callable[[int], Data]]:
    """Return a function from settings to a function that returns the data of a training by its number.

    Equal data is loaded once, and settings with equal data get the same function, so that baselines can be recognized as
    equal. Classes that the study leaves to its data are those of the first that is loaded, since all trainings are of one
    model, and a rare class may be in some folds only.

    Args:
        study: The study.
        options: Where data and cache are, and who is told.
    """
    known = study

    @functools.lru_cache(DATA_HELD)
    def loaded(key: str) -> Data:
        nonlocal known
        with options.loading():
            data = known.load(study.settings.change(json.loads(key)), options.data_dir)
        if known.tasks.unresolved:
            known = replace(known, tasks=data.tasks)
        return data

    @functools.cache
    def by_key(key: str) -> Callable[[int], Data]:
        return lambda number: loaded(json.dumps(_split_of(study, json.loads(key), number)))

    names = study.data_settings
    return lambda settings: by_key(json.dumps({name: settings.config()[name] for name in names}))


def _split_of(study: Study, fields: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the settings of the data of one training: another fold, another split, or the same."""
    if (folds := fields["split_folds"]) is not None:
        # Once through all folds of one division, then through those of the next.
        fold = (fields["split_fold"] + number) % folds
        return {**fields, "split_fold": fold, "split_seed": fields["split_seed"] + number // folds}
    return {**fields, "split_seed": fields["split_seed"] + (number if study.split_per_seed else 0)}


def check_trainings(settings: Settings, trainings: int) -> None:
    """Refuse a number of trainings that would use some folds more often than others.

    Raises:
        MTLError: If it is more than the folds and no multiple of them.
    """
    folds = settings.split_folds
    if folds is not None and trainings > folds and trainings % folds:
        raise MTLError(
            f"The number of trainings must be at most that of folds, or a multiple of it. Received: {trainings} trainings and "
            f"folds={folds}. Pass --seeds {folds}."
        )


def split_config(study: Study, settings: Settings) -> dict[str, Any]:
    """Return what a record says of the splits of its trainings."""
    folds = {} if settings.split_folds is None else {"folds": settings.split_folds}
    return {"split_per_seed": study.split_per_seed or bool(folds), **folds}
