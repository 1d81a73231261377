"""Several data sets, none of which has all labels, as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._data import Data
from mtl_keras.data._sampling import Sampling, parse_sampling, parse_steps
from mtl_keras.data._split import Split
from mtl_keras.errors import MTLError

if TYPE_CHECKING:
    from mtl_keras.tasks import Tasks

__all__ = ["alternate"]

#: Images that are resized at a time.
BLOCK = 1024


def alternate(
    *sets: Data,
    sampling: str | Mapping[str, Any] = "coin",
    steps: Mapping[str, int] | str | None = None,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
) -> Data:
    """Make one data set of several that have tasks of their own: each step of training is of one of them.

    Every batch has all tasks, and those of the other data sets have weight 0 in it, so that their heads do not move.
    Validation and test hold the rows of each data set's own split. `data.only(...)` with the tasks of one data set gives that
    data set, so that a single-task baseline is trained on it alone, for all of its rows an epoch.

    An epoch is a number of steps, and no data set is exhausted: each goes on in an epoch where it was in the one before, and
    after its last row it is shuffled anew and started again. A shorter one is therefore seen several times in an epoch, and of
    a longer one perhaps a part.

    Args:
        *sets: At least two, whose names and tasks differ. Their images are copied into one array in memory.
        sampling: Which data set a step is of: a word, or `{"method": word, option: value}`.

            `"coin"` (default): in each iteration every data set throws a fair coin, and each heads is a step of it, so that
            an iteration may have none or all. An epoch ends after as many steps as are expected of as many iterations as the
            longest data set has batches; with two data sets that is its number of batches.

            `"round_robin"`: in turn. `"proportional"`: drawn with shares in the ratio of `rows ** exponent`, `exponent` from 0
            (equal) to 1 (default). `"annealed"`: the same, the exponent going from 1 in the first epoch to `end` (default 0.2)
            in the last. `"fixed"`: drawn with shares in the ratio of `ratios`, by the name of the data set. An epoch of these
            has as many steps as the data sets have batches together.
        steps: With `"coin"` and `"round_robin"`, the steps of each data set in every epoch, by its name; `"single-task"` for
            those that it has when it is trained on alone. They come in random order or evenly spread. None (default) leaves
            them to `sampling`.
        image_size: Side, or height and width, in px that all images are brought to (bilinear, antialiased); None (default)
            takes them as they are, which have to be of one size.
        seed: Of the schedule, together with the seed of the training; default 0.

    Returns:
        Data whose training rows say which data set they are of. The log of a training has `steps_{name}`, the steps of each
        data set in each epoch.

    Raises:
        MTLError: If there are fewer than two data sets, two of one name or with a task of one name, one without labels to
            train on, images of two sizes, or if sampling or steps are refused.

    Example:
        >>> import numpy as np
        >>> import mtl_keras as mtl
        >>> def photos(name, task, rows):
        ...     labeled = (np.zeros((rows, 8, 8, 3), "uint8"), {task: np.arange(rows) % 2})
        ...     return mtl.data.from_arrays(mtl.Tasks(mtl.Binary(task)), labeled, name=name)
        >>> data = mtl.data.alternate(photos("pets", "cat", 40), photos("streets", "car", 20), sampling="round_robin")
        >>> data.train.steps_per_dataset(4, seed=0, epochs=1)
        [{'pets': 7, 'streets': 7}]

    Reference:
        A. C. Stickland and I. Murray, BERT and PALs: projected attention layers for efficient adaptation in multi-task
        learning, ICML 2019 (annealed).
    """
    from mtl_keras.tasks import Tasks

    method, stated = parse_sampling(sampling), parse_steps(steps)
    _check(sets)
    if image_size is not None:
        size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
        if len(size) != 2 or not all(type(side) is int and side >= 1 for side in size):
            raise MTLError(f"`image_size` is one or two sides in px. Received: image_size={image_size!r}. Give e.g. 32.")
        sets = tuple(_resized(data, size) for data in sets)
    _check_inputs(sets)
    how = Sampling({data.name: tuple(data.tasks) for data in sets}, method, stated, seed)
    tasks = Tasks(*(task for data in sets for task in data.tasks.values()))
    test = [data.test for data in sets if data.test is not None]
    return Data(
        "+".join(data.name for data in sets),
        _joined(tasks, [data.train for data in sets], how),
        _joined(tasks, [data.validation for data in sets], how),
        _joined(tasks, test, how) if test else None,
        {task: names for data in sets for task, names in data.class_names.items()},
        sets[0].image_shape,
        sets[0].features,
    )


def _check(sets: Sequence[Data]) -> None:
    """Refuse what cannot be told apart, and what has nothing to be learned from."""
    names = [data.name for data in sets]
    if len(sets) < 2:
        raise MTLError(
            f"An alternation takes at least two data sets. Received: {', '.join(names) or 'none'}{' alone' * len(sets)}. "
            "Train on it as it is, or add another."
        )
    owner: dict[str, str] = {}
    for data in sets:
        if names.count(data.name) > 1:
            raise MTLError(f"Data sets that are alternated have names of their own. Received twice: {data.name!r}. Give name=.")
        if data.train.sampling is not None:
            raise MTLError(f"Data sets are alternated all at once. Received: {data.name!r}, made of several. Give its parts.")
        for task in data.tasks:
            if task in owner:
                raise MTLError(
                    f"A task belongs to one data set. Received: {task!r} in both {owner[task]!r} and {data.name!r}. Rename "
                    "one; `label=` may repeat."
                )
            owner[task] = data.name
        if not any((weight > 0).any() for weight in data.train.weight.values()):
            raise MTLError(
                f"A data set that is alternated has labels to train on. Received: {data.name!r} without a single one in its "
                f"{len(data.train)} training rows. Leave it out."
            )
    without = [data.name for data in sets if data.test is None]
    if without and len(without) < len(sets):
        raise MTLError(
            f"All data sets have a test split, or none has. Received: none for {', '.join(without)}. Hold out test rows, or "
            "leave those of the others out (dataclasses.replace(data, test=None))."
        )


def _check_inputs(sets: Sequence[Data]) -> None:
    """Refuse inputs that do not fit into one array."""
    first = sets[0]
    for data in sets[1:]:
        if data.image_shape != first.image_shape:
            sizes = [" x ".join(map(str, each.image_shape)) for each in (first, data)]
            raise MTLError(
                f"Images of all data sets are of one size. Received: {sizes[0]} in {first.name!r} and {sizes[1]} in "
                f"{data.name!r}. Give image_size=, to which all are brought; channels have to be equally many."
            )
        for what, one, other in (
            ("features", first.features, data.features),
            ("numbers of views", first.train.views, data.train.views),
            ("online changes", first.train.online, data.train.online),
        ):
            if one != other:
                raise MTLError(
                    f"All data sets are prepared alike. Received: {what} that differ in {first.name!r} and {data.name!r}. Call "
                    "featurize, with_views and online on what alternate returns."
                )


def _joined(tasks: Tasks, splits: Sequence[Split], sampling: Sampling) -> Split:
    """Return the rows of all splits, one after the other, each with labels for its own tasks alone."""
    n = [len(split) for split in splits]
    x = np.concatenate([split.x for split in splits])
    y: dict[str, np.ndarray] = {}
    weight: dict[str, np.ndarray] = {}
    for place, split in enumerate(splits):
        before, after = sum(n[:place]), sum(n[place + 1 :])
        for task, labels in split.y.items():
            # A target that is the input stays the same array; the inputs of other data sets are its dummies.
            y[task] = x if labels is split.x else np.pad(labels, [(before, after), *[(0, 0)] * (labels.ndim - 1)])
            weight[task] = np.pad(split.weight[task], (before, after))
    groups = [np.arange(len(split)) if split.group is None else split.group for split in splits]
    starts = np.cumsum([0, *(group.max() + 1 for group in groups[:-1])])
    return replace(
        splits[0],
        tasks=tasks,
        x=x,
        y=y,
        weight=weight,
        group=np.concatenate([group + start for group, start in zip(groups, starts, strict=True)])
        if any(split.group is not None for split in splits)
        else None,
        origin=np.repeat(np.arange(len(splits)), n),
        sampling=sampling,
    )


def _resized(data: Data, size: tuple[int, ...]) -> Data:
    """Return the data with images of another size."""
    if data.image_shape[:2] == size:
        return data
    if data.features is not None or len(data.image_shape) != 3:
        raise MTLError(
            f"Images [n, h, w, c] are resized. Received: image_size={size} for {data.name!r} with "
            f"{'features' if data.features else f'inputs {list(data.image_shape)}'}. Resize before `featurize`."
        )

    def changed(split: Split) -> Split:
        x = _smaller_or_larger(split.x, size)
        y = {
            task: x if labels is split.x else _smaller_or_larger(labels, size) if split.tasks[task].from_input else labels
            for task, labels in split.y.items()
        }
        return replace(split, x=x, y=y)

    test = None if data.test is None else changed(data.test)
    shape = (*size, data.image_shape[2])
    return replace(data, train=changed(data.train), validation=changed(data.validation), test=test, image_shape=shape)


def _smaller_or_larger(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return images `[..., h, w, c]` of another size, of the same type."""
    import tensorflow as tf

    flat = images.reshape(-1, *images.shape[-3:])
    made = np.empty((len(flat), *size, flat.shape[-1]), images.dtype)
    for start in range(0, len(flat), BLOCK):
        part = tf.image.resize(flat[start : start + BLOCK], size, "bilinear", antialias=True).numpy()
        made[start : start + BLOCK] = np.clip(np.round(part), 0, 255) if images.dtype == np.uint8 else part
    return made.reshape(*images.shape[:-3], *made.shape[1:])
