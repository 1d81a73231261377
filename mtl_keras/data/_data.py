"""The splits of one data set."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mtl_keras.data import cache
from mtl_keras.data._augment import MODES
from mtl_keras.data._digest import describe_change, digest_inputs, digest_inputs_as, digest_split
from mtl_keras.data._inputs import describe_columns
from mtl_keras.data._skipped import SkippedRow
from mtl_keras.data._split import Split
from mtl_keras.data._stratify import label_strata, stratified_choice
from mtl_keras.data._views import View
from mtl_keras.errors import (
    MTLError,
    check_choice,
    check_instance,
    check_instances,
    check_integers,
    check_mapping,
    check_names,
    check_rows,
    check_seed,
    check_text,
    store,
    unknown,
)
from mtl_keras.tables import Column, TableEncoder

if TYPE_CHECKING:
    import keras

    from mtl_keras.tasks import Tasks

__all__ = ["Data"]

#: Number of tasks, and of classes of each, that printed data show.
SHOWN = 20
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set in three splits: for training, for every choice, and for the final results.

    Printed, it is a line for each task.

    Args:
        name: Name in reports.
        train: Rows to train on.
        validation: Rows that every choice (epoch, trial, threshold) is made on.
        test: Rows for the final results, or None.
        class_names: Names of the classes of each task that has them, in the order of their indices.
        image_shape: Shape of one original input, e.g. `(32, 32, 3)`, even if `x` holds features.
        features: Digest of the trunk whose features `x` holds, or None (default) if `x` holds the original inputs.
        encoder: What encoded the columns of a table as `x`; None (default) if nothing did.
        skipped: Rows of a table that were set aside because they cannot be used; default none.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None
    class_names: Mapping[str, tuple[str, ...]]
    image_shape: tuple[int, ...]
    features: str | None = None
    encoder: TableEncoder | None = None
    skipped: tuple[SkippedRow, ...] = ()

    def __post_init__(self) -> None:
        check_text("name", self.name, of="data", maximum=200, example="mine")
        for field, required in (("train", True), ("validation", True), ("test", False)):
            if required or getattr(self, field) is not None:
                check_instance(field, getattr(self, field), Split, "Use mtl.data.from_arrays.", of="data")
        if self.encoder is not None:
            check_instance("encoder", self.encoder, TableEncoder, "Use mtl.data.from_table.", of="data")
        store(self, skipped=check_instances("skipped", self.skipped, SkippedRow, of="data"))
        names = check_mapping("class_names", self.class_names, of="data", example="{'kind': ('a', 'b')}")
        checked = {task: check_names(f"class_names[{task!r}]", each) for task, each in names.items()}
        store(self, image_shape=check_integers("image_shape", self.image_shape, 1, of="data"), class_names=checked)
        for task, each in checked.items():
            count = self.tasks[task].class_count if task in self.tasks else None
            if each and count is not None and len(each) != count:
                raise MTLError(
                    f"`class_names` must have one name for each class. Received: {len(each)} names for the {count} classes of "
                    f"task {task!r}. Correct the names or `classes`."
                )

        self._weigh_classes()

    def _weigh_classes(self) -> None:
        """Give all splits the class weights that follow from the training rows."""
        found = {}
        for name, task in self.tasks.items():
            if getattr(task, "class_weight", None) is not None:
                labels = self.train.y[name][self.train.weight[name] > 0]
                found[name] = task.class_weights(labels, self.class_names.get(name, ()))
        for field in SPLITS if found else ():
            if (split := getattr(self, field)) is not None:
                store(self, **{field: replace(split, class_weights=found)})

    def __repr__(self) -> str:
        splits = [split for split in (self.train, self.validation, self.test) if split is not None]
        rows = ", ".join(f"{len(split):,} {split.name}" for split in splits)
        lines = [f"Data {self.name!r}: {rows} rows, inputs {self.image_shape}{' as features' if self.features else ''}"]
        for name, task in list(self.tasks.items())[:SHOWN]:
            labels = ", ".join(f"{(split.weight[name] > 0).sum():,}" for split in splits)
            names = self.class_names.get(name, ())
            classes = f"; {', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}" if names else ""
            lines.append(f"  {name}: {type(task).__name__}, labels of {labels} rows{classes}")
        if len(self.tasks) > SHOWN:
            lines.append(f"  and {len(self.tasks) - SHOWN} more tasks, see `tasks`")
        return "\n".join(lines)

    @property
    def tasks(self) -> Tasks:
        """What is predicted."""
        return self.train.tasks

    @functools.cached_property
    def columns(self) -> tuple[Column, ...]:
        """What a network must know of the columns of rows of numbers, for `mtl.Backbone("MLP", columns=data.columns)`.

        Those of a table say how its encoder has encoded them. Those of an array `[n, d]` are numbers with mean and standard
        deviation of the training rows, which may be missing where one is in any split. Other inputs, and features, have none.
        """
        if self.encoder is not None:
            return self.encoder.columns
        if self.features is not None or len(self.image_shape) != 1:
            return ()
        missing = [split.missing for split in (self.train, self.validation, self.test) if split is not None]
        return describe_columns(self.train.x, np.any(missing, axis=0))

    @property
    def task_groups(self) -> tuple[tuple[str, ...], ...]:
        """Names of the tasks of each alternated data set, in order; empty for one data set."""
        if self.train.sampling is None:
            return ()
        return tuple(tuple(n for n in names if n in self.tasks) for names in self.train.sampling.tasks.values())

    def only(self, *names: str) -> Data:
        """Return the same data for these tasks alone; of several data sets, those with one of the tasks.

        Raises:
            MTLError: If a name is not among the tasks.
        """
        data = self.map_splits(lambda split: split.only(*names))
        return replace(data, class_names={task: n for task, n in self.class_names.items() if task in data.tasks})

    def subset(self, n_train: int, *, seed: int = 0) -> Data:
        """Return a smaller data set: `n_train` training rows, and validation and test reduced in proportion.

        Args:
            n_train: Number of training rows, at least 1; if there are not more than that, all splits stay whole.
            seed: Seed of the stratified choice, from 0; default 0.

        Raises:
            MTLError: If `n_train` is below 1.
        """
        n_train, seed = check_rows("n_train", n_train, example=1000), check_seed("seed", seed)
        share = min(n_train / len(self.train), 1.0)

        def choose(split: Split) -> Split:
            count = max(round(len(split) * share), 1)
            return split.take(stratified_choice(label_strata(split), len(split), count, seed))

        return self.map_splits(choose)

    def augment(self, steps: View | Sequence[View], *, mode: str, seed: int | None = None) -> Data:
        """Return the data with augmented training images; validation and test stay as they are.

        A step is a name or `{"method": name, option: value}`. In the modes `"views"` and `"repeat"` there are `identity`,
        `flip_lr`, `flip_up`, `rotate` (`degrees`), `noise` (`variance`), `stretch` (contrast), `crop` (`pad`) and `zoom`
        (`low`), in the mode `"online"` there are `flip_lr` (half of the images) and `crop` (`pad`).

        Args:
            steps: For `"views"` and `"repeat"` a sequence of views, each a step or a sequence of steps applied in order. For
                `"online"` a step, or a sequence of steps applied in order.
            mode: `"views"` computes V views of each image once, and an epoch shows one of them, chosen anew for each row. It
                is the augmentation for frozen trunks: `featurize` computes the features of all views once. The first view
                is what the evaluation of training rows and the trivial predictor see; let it be `"identity"`.

                `"repeat"` makes a row of each view, with its labels and weights: the training split is V times as long.
                Original images are among the rows only if `"identity"` is among the views.

                `"online"` changes the images of every batch anew. It is the augmentation for trained trunks. A target that
                is the input is the changed image.
            seed: Seed of the random values, from 0. None (default) is 0 for `"views"` and `"repeat"`, and the seed of the
                training for `"online"`.

        Returns:
            Data whose training images take V times the memory with `"views"` and `"repeat"`.

        Raises:
            MTLError: If the training inputs are not images (uint8 for views), or a step or the mode is invalid.

        Example:
            >>> import numpy as np
            >>> import mtl_keras as mtl
            >>> columns = {"odd": np.arange(20) % 2}
            >>> data = mtl.data.from_arrays(mtl.Tasks(mtl.Binary("odd")), (np.zeros((20, 8, 8, 3), "uint8"), columns))
            >>> views = ("identity", ("flip_lr", {"method": "crop", "pad": 2}))
            >>> data.augment(views, mode="views").train.x.shape
            (18, 2, 8, 8, 3)
            >>> len(data.augment(views, mode="repeat").train)
            36
            >>> data.augment(("flip_lr", "crop"), mode="online").train.online.config()["steps"]
            [{'method': 'flip_lr'}, {'method': 'crop', 'pad': 4}]
        """
        check_choice("mode of augmentation", mode, MODES)
        if self.features is not None:
            raise MTLError(
                f"Images must be augmented before their features are computed. Received: features {list(self.train.x.shape)}. "
                "Call `augment` before `featurize`."
            )
        return replace(self, train=MODES[mode](self.train, steps, seed))

    def featurize(
        self,
        trunk: keras.Model,
        fingerprint: Mapping[str, Any],
        cache_dir: str | os.PathLike[str],
        *,
        splits: Sequence[str] = ("train", "validation"),
        progress: Callable[[int, int], None] | None = None,
        batch_size: int = 128,
        dtype: Literal["float32", "float16"] = "float32",
    ) -> Data:
        """Return the data with the inputs of some splits replaced by a frozen trunk's features.

        Features are computed once and kept in `cache_dir`. Targets that are the input stay the original input. Splits that
        are not named stay as they are, and a model evaluates them through its trunk. For images with views, the features of
        all views are computed.

        Args:
            trunk: Model from images to features, called in inference mode.
            fingerprint: What determines the features besides weights and images, as plain JSON values (backbone, image
                size, pooling, preprocessing ...).
            cache_dir: Folder of the feature cache.
            splits: Names of the splits to replace; default `("train", "validation")`.
            progress: Called with the rows done and the total, over all splits.
            batch_size: Images per call of the trunk; default 128.
            dtype: Type in which features are kept; default `"float32"`.

        Raises:
            MTLError: If the data holds features already, has online augmentation or lacks such a split, or the cache
                cannot be written.
        """
        if self.train.online is not None:
            raise MTLError(
                "Features must be computed from images that stay the same in every epoch. Received: data with online "
                "augmentation. Use data.augment(steps, mode='views'), or train with cache_dir=False."
            )
        if self.features is not None:
            raise MTLError(
                f"Features must be computed from images. Received: data with the features of trunk {self.features}. Pass the "
                "original data."
            )
        for name in splits:
            if name not in SPLITS:
                raise unknown("split", name, SPLITS)
        parts = {name: split for name in dict.fromkeys(splits) if (split := getattr(self, name)) is not None}
        total = sum(len(split) * (split.views or 1) for split in parts.values())
        replaced: dict[str, Split] = {}
        before = 0

        def report(done: int, _: int) -> None:
            if progress:
                progress(before + done, total)

        for name, split in parts.items():
            found, slices = [], split.dataset_slices()
            digest = digest_inputs(split) if len(slices) == 1 and split.views is None else None
            # Each alternated data set has cache entries of its own, which a single-task baseline on it shares.
            for rows in slices:
                part = split.x[rows]
                images = part if split.views is None else part.reshape(-1, *part.shape[2:])
                how: dict[str, Any] = {"batch_size": batch_size, "progress": report, "digest": digest, "dtype": dtype}
                x = cache.features(trunk, images, fingerprint, cache_dir, **how)
                found.append(x if split.views is None else x.reshape(len(part), split.views, *x.shape[1:]))
                before += len(images)
            replaced[name] = split.with_x(found[0] if len(found) == 1 else np.concatenate(found))
            digest_inputs_as(replaced[name], split)
        changes: dict[str, Any] = {"features": cache.digest_trunk(trunk, fingerprint), **replaced}
        return replace(self, **changes)

    def digests(self, splits: Sequence[str] = SPLITS) -> dict[str, dict[str, str]]:
        """Return a digest of inputs, labels and label weights of each split, e.g. of `["train"]["labels of task 'kind'"]`.

        It is computed once for each array. Features have the digest of the images that they were computed from. Of a
        `numpy.memmap`, size and time of the last change of its file stand for the content.

        Args:
            splits: Names of the splits; default all.
        """
        return {name: digest_split(split) for name in splits if (split := getattr(self, name)) is not None}

    def check_digests(self, saved: Mapping[str, Any] | None, where: object, splits: Sequence[str] = SPLITS) -> None:
        """Refuse to go on with other data than what a training was started with.

        Args:
            saved: Digests of that data; None if it was started by a version that wrote none.
            where: Where they come from, for the message.
            splits: As for `digests`.

        Raises:
            MTLError: If the data differs or nothing says whether it does; the message names what differs.
        """
        rule = "What is resumed must have the data that it was started with."
        if saved is None:
            raise MTLError(
                f"{rule} Received: {where}, which a version of mtl-keras wrote that kept no digest of data. Start again in "
                "another folder; this one can still be read and reported."
            )
        if (changed := describe_change(saved, self.digests(splits))) is not None:
            raise MTLError(f"{rule} Received: other {changed} than {where} was started with. Start again in another folder.")

    def map_splits(self, change: Callable[[Split], Split]) -> Data:
        """Return the data with `change` applied to every split."""
        test = None if self.test is None else change(self.test)
        return replace(self, train=change(self.train), validation=change(self.validation), test=test)
