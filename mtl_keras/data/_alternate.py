"""Several data sets with different tasks as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_keras.data._data import Data
from mtl_keras.data._rows import concatenate_rows
from mtl_keras.data._sampling import Sampling, parse_sampling, parse_steps
from mtl_keras.data._split import Split
from mtl_keras.errors import MTLError, check_image_size, check_seed

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
    """Combine several data sets with different tasks; each training step takes its batch from one of them.

    Every batch holds all tasks. Those of other data sets have weight 0 in it, and their heads stay unchanged in that step.
    Validation and test hold the rows of each data set's own split. `data.only(...)` with the tasks of one data set returns
    that data set, so that a single-task baseline is trained on all of its rows in every epoch.

    An epoch is a number of steps and does not exhaust a data set. Each data set continues in the next epoch where it
    stopped, and is reshuffled after its last row. A smaller one may therefore be seen several times in an epoch, and a
    larger one only in part.

    Args:
        *sets: At least two, with different names and tasks. Their images are copied into one array in memory.
        sampling: How the data set of each step is chosen: a name, or `{"method": name, option: value}`.

            `"coin"` (default): in each iteration a fair coin is tossed for every data set, and heads is a step of it; an
            iteration may have no step or one of each. An epoch has the expected number of steps of as many iterations as
            the largest data set has batches; for two data sets that is its number of batches.

            `"round_robin"`: in turn. `"proportional"`: at random in proportion to `rows ** exponent`, with `exponent` from
            0 (equal shares) to 1 (default). `"annealed"`: likewise, with an exponent that goes from 1 in the first epoch to
            `end` (default 0.2) in the last. `"fixed"`: at random in proportion to `ratios`, a number by data set. An epoch
            of these has as many steps as all data sets have batches.
        steps: For `"coin"` and `"round_robin"`, the steps of each data set per epoch, by name; or `"single-task"` for one
            pass over each, as a single-task baseline has. They come in random order or evenly spread. None (default) leaves
            them to `sampling`.
        image_size: Side, or height and width, in px to which all images are resized (bilinear, antialiased). None (default)
            keeps their size, which must then be the same.
        seed: Seed of the schedule, together with that of the training; default 0.

    Returns:
        Data whose rows know their data set. The log of a training has `steps_{name}`, the steps of each data set per epoch.

    Raises:
        MTLError: If there are fewer than two data sets, names or tasks repeat, a data set has no label to train on, image
            sizes differ, or `sampling` or `steps` is invalid.

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

    method, counts, seed = parse_sampling(sampling), parse_steps(steps), check_seed("seed", seed)
    _check_datasets(sets)
    if image_size is not None:
        size = check_image_size("image_size", image_size)
        sets = tuple(_resize_images(data, size) for data in sets)
    _check_inputs(sets)
    schedule = Sampling({data.name: tuple(data.tasks) for data in sets}, method, counts, seed)
    tasks = Tasks(*(task for data in sets for task in data.tasks.values()))
    test = [data.test for data in sets if data.test is not None]
    return Data(
        "+".join(data.name for data in sets),
        _concatenate(tasks, [data.train for data in sets], schedule),
        _concatenate(tasks, [data.validation for data in sets], schedule),
        _concatenate(tasks, test, schedule) if test else None,
        {task: names for data in sets for task, names in data.class_names.items()},
        sets[0].image_shape,
        sets[0].features,
        sets[0].encoder,
    )


def _check_datasets(sets: Sequence[Data]) -> None:
    """Check that names and tasks are unique, that there are labels to train on, and that all or none have a test split."""
    names = [data.name for data in sets]
    if len(sets) < 2:
        raise MTLError(
            f"`alternate` must receive at least two data sets. Received: {', '.join(names) or 'none'}. Train on one as it is, "
            "or add another."
        )
    owner: dict[str, str] = {}
    for data in sets:
        if names.count(data.name) > 1:
            raise MTLError(f"Alternated data sets must have different names. Received twice: {data.name!r}. Pass name=.")
        if data.train.sampling is not None:
            raise MTLError(
                f"Data sets must be alternated in one call. Received: {data.name!r}, which consists of several. Pass its parts."
            )
        for task in data.tasks:
            if task in owner:
                raise MTLError(
                    f"A task must belong to one data set. Received: {task!r} in both {owner[task]!r} and {data.name!r}. Rename "
                    "one; `label=` may repeat."
                )
            owner[task] = data.name
        if not any((weight > 0).any() for weight in data.train.weight.values()):
            raise MTLError(
                f"An alternated data set must have labels to train on. Received: {data.name!r} without any label in its "
                f"{len(data.train)} training rows. Leave it out."
            )
    without = [data.name for data in sets if data.test is None]
    if without and len(without) < len(sets):
        raise MTLError(
            f"All alternated data sets must have a test split, or none. Received: none for {', '.join(without)}. Hold out test "
            "rows, or remove the others' (dataclasses.replace(data, test=None))."
        )


def _check_inputs(sets: Sequence[Data]) -> None:
    """Check that all inputs fit into one array and are prepared alike."""
    first = sets[0]
    for data in sets:
        if isinstance(data.image_shape, Mapping):
            raise MTLError(
                f"Alternated data must have one input each. Received: {data.name!r} with the inputs "
                f"{', '.join(data.image_shape)}. Leave it out."
            )
    for data in sets[1:]:
        if data.image_shape != first.image_shape:
            sizes = [" x ".join(map(str, each.image_shape)) for each in (first, data)]
            raise MTLError(
                f"Images of all data sets must have one size. Received: {sizes[0]} in {first.name!r} and {sizes[1]} in "
                f"{data.name!r}. Pass image_size=, to which all are resized; the number of channels must be the same."
            )
        if data.encoder != first.encoder:
            raise MTLError(
                f"Tables of all data sets must be encoded alike. Received: encoders that differ in {first.name!r} and "
                f"{data.name!r}. Join them to one table, whose rows lack the labels of the other tasks."
            )
        for what, one, other in (
            ("features", first.features, data.features),
            ("numbers of views", first.train.views, data.train.views),
            ("online augmentation", first.train.online, data.train.online),
        ):
            if one != other:
                raise MTLError(
                    f"All data sets must be prepared alike. Received: {what} that differ in {first.name!r} and {data.name!r}. "
                    "Call `augment` and `featurize` on the result of `alternate`."
                )


def _concatenate(tasks: Tasks, splits: Sequence[Split], schedule: Sampling) -> Split:
    """Return the rows of all splits, one split after the other; labels of other splits' tasks are absent."""
    parts, start = [], 0
    grouped = any(split.group is not None for split in splits)
    for number, split in enumerate(splits):
        arrays = split.arrays()
        if grouped:
            group = np.arange(len(split)) if split.group is None else split.group
            arrays["group", ""] = group + start
            start += group.max() + 1
        arrays["origin", ""] = np.full(len(split), number)
        parts.append(arrays)
    sampler = replace(splits[0].sampler, sampling=schedule)
    return splits[0].with_arrays(concatenate_rows(parts), tasks=tasks, sampler=sampler)


def _resize_images(data: Data, size: tuple[int, ...]) -> Data:
    """Return the data with images of another size."""
    if data.image_shape[:2] == size:
        return data
    if data.features is not None or len(data.image_shape) != 3:
        raise MTLError(
            f"Only images [n, h, w, c] must be resized. Received: image_size={size} for {data.name!r} with "
            f"{'features' if data.features else f'inputs {list(data.image_shape)}'}. Resize before `featurize`."
        )
    resized = data.map_splits(lambda split: split.map_inputs(lambda images: _resize(images, size)))
    return replace(resized, image_shape=(*size, data.image_shape[2]))


def _resize(images: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return images `[..., h, w, c]` in another size, of the same type."""
    import tensorflow as tf

    flat = images.reshape(-1, *images.shape[-3:])
    resized = np.empty((len(flat), *size, flat.shape[-1]), images.dtype)
    for start in range(0, len(flat), BLOCK):
        part = tf.image.resize(np.asarray(flat[start : start + BLOCK]), size, "bilinear", antialias=True).numpy()
        resized[start : start + BLOCK] = np.clip(np.round(part), 0, 255) if images.dtype == np.uint8 else part
    return resized.reshape(*images.shape[:-3], *resized.shape[1:])
