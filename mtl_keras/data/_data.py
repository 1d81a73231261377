"""The splits of one data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data import _views, cache
from mtl_keras.data._online import ONLINE, Online
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

    @property
    def task_groups(self) -> tuple[tuple[str, ...], ...]:
        """Names of the tasks of each data set that is alternated, in order; empty for one data set."""
        if self.train.sampling is None:
            return ()
        return tuple(tuple(n for n in names if n in self.tasks) for names in self.train.sampling.tasks.values())

    def only(self, *names: str) -> Data:
        """Return the same data for these tasks alone; of several data sets those that have one of them.

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

    def with_views(self, views: Sequence[_views.View], *, seed: int = 0) -> Data:
        """Return the data with several views of each training image, of which an epoch shows one.

        It is augmentation for frozen trunks: `featurize` computes the features of all views once. The view of a row is
        drawn anew in each epoch, from the seed of the training, the epoch and the row. Validation and test stay as they
        are. All views are held in memory, as many times the training images.

        Args:
            views: At least one, each a word (`identity`, `flip_lr`, `flip_up`, `rotate`, `noise`, `stretch`, `crop`,
                `zoom`), a mapping with `method` and options, or a sequence of these, applied in order. The first is what
                evaluation of the training rows and the trivial predictor see; let it be `"identity"`.
            seed: Of what is drawn to make the views, from 0; default 0.

        Raises:
            MTLError: If the training inputs are not plain uint8 images `[n, h, w, c]`, or a view is wrong.

        Example:
            >>> import numpy as np
            >>> import mtl_keras as mtl
            >>> columns = {"odd": np.arange(20) % 2}
            >>> data = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("odd")), (np.zeros((20, 8, 8, 3), "uint8"), columns))
            >>> data.with_views(("identity", ("flip_lr", {"method": "crop", "pad": 2}))).train.x.shape
            (18, 2, 8, 8, 3)
        """
        x = self._shown(views, seed)
        y = {task: x if array is self.train.x else array for task, array in self.train.y.items()}
        return replace(self, train=replace(self.train, x=x, y=y, views=x.shape[1]))

    def enlarged(self, views: Sequence[_views.View], *, seed: int = 0) -> Data:
        """Return the data with every view of a training image as a row of its own.

        It is augmentation ahead of training: V views make the training split V times as long, and an epoch shows all of
        them. The views of a row follow each other, with its labels and weights. Validation and test stay as they are.

        Args:
            views: As for `with_views`. The images themselves are among the rows only if `"identity"` is among the views.
            seed: As for `with_views`.

        Raises:
            MTLError: As for `with_views`.

        Example:
            >>> import numpy as np
            >>> import mtl_keras as mtl
            >>> columns = {"odd": np.arange(20) % 2}
            >>> data = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("odd")), (np.zeros((20, 8, 8, 3), "uint8"), columns))
            >>> len(data.enlarged(("stretch", ("rotate", "stretch"), ("noise", "stretch"))).train)
            54
        """
        train, shown = self.train, self._shown(views, seed)
        count, x = shown.shape[1], shown.reshape(-1, *shown.shape[2:])
        y = {task: x if array is train.x else np.repeat(array, count, axis=0) for task, array in train.y.items()}
        weight = {task: np.repeat(array, count) for task, array in train.weight.items()}
        side = {name: np.repeat(array, count, axis=0) for name, array in train.side.items()}
        own = np.arange(len(train)) if train.group is None else train.group
        group = np.repeat(own, count)
        origin = None if train.origin is None else np.repeat(train.origin, count)
        return replace(self, train=replace(train, x=x, y=y, weight=weight, side=side, group=group, origin=origin))

    def online(self, steps: _views.View, *, seed: int | None = None) -> Data:
        """Return the data with training images that are changed anew in every epoch, while batches are made.

        It is augmentation for trunks that are trained. What happens to a row is drawn from the seed, the epoch and the
        row, so that a resumed training sees the same. A target that is the input is the changed image.

        Args:
            steps: A word or several in a row: `"flip_lr"`, which mirrors half of the images, and `"crop"`, which shifts
                each by up to `pad` px (default 4) and fills by reflection; `{"method": "crop", "pad": 2}`.
            seed: Of the draws, from 0; None (default) takes that of the training.

        Raises:
            MTLError: If the training inputs are no images, or a step is wrong.

        Example:
            >>> import mtl_keras as mtl
            >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
            >>> data.online({"method": "crop", "pad": 1}).train.online.config()
            {'steps': [{'method': 'crop', 'pad': 1}], 'seed': None}
        """
        made = Online(_views.parse(steps, ONLINE), seed)
        x = self.train.x
        if self.features is not None or x.ndim - (self.train.views is not None) != 4:
            raise MTLError(
                f"Images [n, h, w, c] are changed online. Received: {'features' if self.features else 'inputs'} "
                f"{list(x.shape)}. Call `online` on data with images, before `featurize`."
            )
        made.bounds(x.shape[-3:])
        return replace(self, train=replace(self.train, online=made))

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
        splits that are not named stay as they are: a model evaluates them through its trunk. Of images with views the
        features of all views are computed.

        Args:
            trunk: Model from images to features, called in inference mode.
            identity: What fixes the features besides weights and images, as plain JSON values (backbone, image size,
                pooling, preprocessing ...).
            cache_dir: Folder of the feature cache.
            splits: Names of the splits to replace.
            progress: Called with rows done and rows in total, over all splits.
            batch_size: Images a call of the trunk; default 128.

        Raises:
            MTLError: If the data holds features already, its images are changed online, there is no such split, or the
                cache cannot be written.
        """
        if self.train.online is not None:
            raise MTLError(
                "Features are computed once, from images that do not change. Received: data with online changes. Make views "
                "with Data.with_views(...), or train with cache_dir=False."
            )
        if self.features is not None:
            raise MTLError(
                f"Features are computed from images. Received: data that holds the features of trunk {self.features}."
            )
        for name in splits:
            if name not in ("train", "validation", "test"):
                raise unknown("split", name, ("train", "validation", "test"))
        parts = {name: split for name in dict.fromkeys(splits) if (split := getattr(self, name)) is not None}
        total = sum(len(split) * (split.views or 1) for split in parts.values())
        replaced: dict[str, Split] = {}
        before = 0

        def report(done: int, _: int) -> None:
            if progress:
                progress(before + done, total)

        for name, split in parts.items():
            found = []
            # Data sets that are alternated have entries of their own in the cache, which trainings on one of them share.
            for piece in split.pieces():
                part = split.x[piece]
                images = part if split.views is None else part.reshape(-1, *part.shape[2:])
                x = cache.features(trunk, images, identity, cache_dir, batch_size=batch_size, progress=report)
                found.append(x if split.views is None else x.reshape(len(part), split.views, *x.shape[1:]))
                before += len(images)
            replaced[name] = split.with_x(found[0] if len(found) == 1 else np.concatenate(found))
        changes: dict[str, Any] = {"features": cache.trunk_digest(trunk, identity), **replaced}
        return replace(self, **changes)

    def _shown(self, views: Sequence[_views.View], seed: int) -> np.ndarray:
        """Return all views of the training images, `[n, V, h, w, c]`."""
        parsed = _views.parse_all(views)
        x = self.train.x
        if self.features is not None or self.train.views is not None or x.ndim != 4 or x.dtype != np.uint8:
            what = "features" if self.features else "views" if self.train.views else "inputs"
            raise MTLError(
                f"Views are made of plain uint8 images [n, h, w, c], once. Received: {what} {list(x.shape)}, {x.dtype}. "
                "Give all views in one call, before `featurize`; round other numbers to uint8."
            )
        _views.check_seed(seed)
        shown = np.empty((len(x), len(parsed), *x.shape[1:]), np.uint8)
        for piece in self.train.pieces():
            for number, view in enumerate(parsed):
                shown[piece, number] = _views.made(x[piece], view, (seed, number))
        return shown

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

    Views of one image, which `Data.enlarged` makes rows of, stay together: their parts are equal in images.

    Args:
        split: Its rows are divided.
        folds: Number of parts, from 2 to the number of rows.
        seed: Same parts for the same seed.

    Returns:
        Row numbers of each part, ascending.
    """
    group = np.arange(len(split)) if split.group is None else split.group
    names, first = np.unique(group, return_index=True)
    strata, left, parts = [column[first] for column in label_strata(split)], np.arange(len(first)), []
    for share in range(folds, 1, -1):
        chosen = stratified_choice([column[left] for column in strata], len(left), len(left) // share, seed)
        parts.append(left[chosen])
        left = np.delete(left, chosen)
    return [np.flatnonzero(np.isin(group, names[part])) for part in (*parts, left)]
