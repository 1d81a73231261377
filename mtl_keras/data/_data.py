"""The splits of one data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data import cache
from mtl_keras.data._split import Split
from mtl_keras.data._stratify import stratified_choice
from mtl_keras.errors import MTLError, unknown

if TYPE_CHECKING:
    import keras

    from mtl_keras.tasks import Tasks

__all__ = ["Data", "label_strata", "stratified_folds"]


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, divided: what is trained on, what choices are made on, and what is looked at once.

    Args:
        name: Name in reports.
        train: Rows to train on.
        validation: Rows that every choice (epoch, trial, threshold) is made on.
        test: Rows for the final figures, or None.
        class_names: Names of the classes of the tasks that have them, in the order of their indices.
        image_shape: Shape of one original input, e.g. `(32, 32, 3)`, also where `x` holds features.
        features: Digest of the trunk whose features `x` holds, or None where `x` holds the original inputs.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None
    class_names: Mapping[str, tuple[str, ...]]
    image_shape: tuple[int, ...]
    features: str | None = None

    @property
    def tasks(self) -> Tasks:
        """What is predicted."""
        return self.train.tasks

    def only(self, *names: str) -> Data:
        """Return the same data for these tasks alone.

        Raises:
            MTLError: If a name is not among the tasks.
        """
        data = self._each(lambda split: split.only(*names))
        return replace(data, class_names={task: n for task, n in self.class_names.items() if task in data.tasks})

    def subset(self, n_train: int, *, seed: int = 0) -> Data:
        """Return a smaller data set: `n_train` training rows, validation and test cut in the same proportion.

        Args:
            n_train: Number of training rows, at least 1; if there are not more than that, all splits stay whole.
            seed: Seed of the stratified choice, from 0; default 0.

        Raises:
            MTLError: If `n_train` is below 1.
        """
        if n_train < 1:
            raise MTLError(f"`n_train` is at least 1. Received: n_train={n_train}. Give e.g. 1000.")
        share = min(n_train / len(self.train), 1.0)
        return self._each(lambda s: s.take(stratified_choice(label_strata(s), len(s), max(round(len(s) * share), 1), seed)))

    def featurize(
        self,
        trunk: keras.Model,
        identity: Mapping[str, Any],
        cache_dir: str | os.PathLike[str],
        *,
        splits: Sequence[str] = ("train", "validation"),
        progress: Callable[[int, int], None] | None = None,
        batch_size: int = 128,
    ) -> Data:
        """Return the data with the inputs of some splits replaced by a frozen trunk's features.

        Features are computed once and kept in `cache_dir`. Targets that are the input stay the original input, and
        splits that are not named stay as they are: a model evaluates them through its trunk.

        Args:
            trunk: Model from images to features, called in inference mode.
            identity: What fixes the features besides weights and images, as plain JSON values (backbone, image size,
                pooling, preprocessing ...).
            cache_dir: Folder of the feature cache.
            splits: Names of the splits to replace.
            progress: Called with rows done and rows in total, over all splits.
            batch_size: Images a call of the trunk; default 128.

        Raises:
            MTLError: If the data holds features already, there is no such split, or the cache cannot be written.
        """
        if self.features is not None:
            raise MTLError(
                f"Features are computed from images. Received: data that holds the features of trunk {self.features}."
            )
        for name in splits:
            if name not in ("train", "validation", "test"):
                raise unknown("split", name, ("train", "validation", "test"))
        parts = {name: split for name in dict.fromkeys(splits) if (split := getattr(self, name)) is not None}
        total = sum(len(split) for split in parts.values())
        replaced: dict[str, Split] = {}
        for name, split in parts.items():
            before = sum(len(split) for split in replaced.values())

            def report(done: int, _: int, before: int = before) -> None:
                if progress:
                    progress(before + done, total)

            x = cache.features(trunk, split.x, identity, cache_dir, batch_size=batch_size, progress=report)
            replaced[name] = split.with_x(x)
        changes: dict[str, Any] = {"features": cache.trunk_digest(trunk, identity), **replaced}
        return replace(self, **changes)

    def _each(self, change: Callable[[Split], Split]) -> Data:
        test = None if self.test is None else change(self.test)
        return replace(self, train=change(self.train), validation=change(self.validation), test=test)


def label_strata(split: Split) -> list[np.ndarray]:
    """Return what a division of the split keeps in proportion: `[n]` integers for each task that has classes."""
    columns = []
    for name, task in split.tasks.items():
        strata = task.strata(split.y[name])
        if strata is not None:
            # Absent labels are a class of their own: each part gets its share of them.
            columns.append(np.where(split.weight[name] > 0, strata, -1))
    return columns


def stratified_folds(split: Split, folds: int, seed: int) -> list[np.ndarray]:
    """Divide the rows into parts of equal size, within one row, in each of which classes keep their shares.

    Args:
        split: Its rows are divided.
        folds: Number of parts, from 2 to the number of rows.
        seed: Same parts for the same seed.

    Returns:
        Row numbers of each part, ascending.
    """
    strata, left, parts = label_strata(split), np.arange(len(split)), []
    for share in range(folds, 1, -1):
        chosen = stratified_choice([column[left] for column in strata], len(left), len(left) // share, seed)
        parts.append(left[chosen])
        left = np.delete(left, chosen)
    return [*parts, left]
