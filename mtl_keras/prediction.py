"""Outputs of a model for many rows, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from mtl_keras.data import Split, by_input, cache, unnamed
from mtl_keras.model import Cut, MultiTaskModel
from mtl_keras.tasks import Decoded

__all__ = ["decode", "predict"]


def predict(
    model: MultiTaskModel,
    x: Split | np.ndarray | Mapping[str, np.ndarray],
    *,
    tasks: Iterable[str] | None = None,
    batch_size: int = 512,
    features: bool = False,
    cache_dir: str | Path | Literal[False] | None = False,
) -> dict[str, np.ndarray]:
    """Return a model's outputs.

    Unlike `model.predict`, it traces no function, which takes seconds for a deep network, and it can read the features of a
    frozen trunk from the cache.

    Args:
        model: From `build_model` or `load_model`.
        x: Images `[n, height, width, channels]` in `[0, 255]`, of a model of several inputs a dict of arrays by name, or a
            split, whose first views are taken.
        tasks: Names of the tasks whose outputs are computed; default: all.
        batch_size: Rows per batch; default 512.
        features: Whether `x` holds features of the trunk instead of images; default False.
        cache_dir: Where features of a frozen trunk are cached; None is the user's cache folder, False (default) caches
            nothing.

    Returns:
        Outputs `[n, ...]` by task, in the order of the rows; those of a regression as float64, with all digits.

    Raises:
        MTLError: If the inputs do not have the shape that the model was built for, or are not finite.

    Example:
        >>> import mtl_keras as mtl
        >>> from mtl_keras.prediction import predict
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10)))
        >>> model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
        >>> predict(model, data.validation)["digit"].shape
        (288, 10)
    """
    if isinstance(x, Split):
        # Its values were checked when it was created.
        split = x.first_view()
        rows, pieces = split.x, split.dataset_slices()
        if not features:
            model.check_missing(split.missing, split.name or "unnamed")
    elif isinstance(x, np.ndarray) and not len(x) and not model.recipe.inputs:
        rows, pieces = x, [slice(None)]
    else:
        rows, pieces = model.check_values(x, features=features), [slice(None)]
    model.check_inputs(unnamed({name: array.shape[1:] for name, array in by_input(rows).items()}), features=features)
    cut = Cut() if features else None
    if cut is None and cache_dir is not False and (cut := model.frozen_cut(None)) is not None:
        folder, given = cache_dir or cache.default_cache_dir(), by_input(rows)
        for name in cut.inputs or ("",):
            trunk, fingerprint = model.before(cut, name), model.fingerprint(cut, name)
            found = [cache.features(trunk, given[name][piece], fingerprint, folder) for piece in pieces]
            given[name] = found[0] if len(found) == 1 else np.concatenate(found)
        rows = unnamed(given)
    names = list(model.recipe.tasks if tasks is None else tasks)
    standard = model.standard_outputs
    if cut is not None and cut.inputs:
        network = model.part(cut)
    else:
        network = keras.Model(model.input if cut is None else model.features, {name: standard[name] for name in names})
    given, count = by_input(rows), len(next(iter(by_input(rows).values())))
    if not count:
        # On some CPUs, a convolution of TensorFlow answers an empty batch with a wrong shape. The shape is that for one row.
        given = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in given.items()}
    # Called directly: `keras.Model.predict` traces a function, which is used only once here.
    starts = range(0, max(count, 1), batch_size)
    parts = ({name: np.asarray(array[start : start + batch_size]) for name, array in given.items()} for start in starts)
    batches = [network(unnamed(part), training=False) for part in parts]
    outputs = {name: np.concatenate([keras.ops.convert_to_numpy(b[name]) for b in batches])[:count] for name in names}
    return model.in_units(outputs)


def decode(
    model: MultiTaskModel, outputs: Mapping[str, Any], class_names: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Decoded]:
    """Decode outputs of a model to classes, label sets, numbers or images.

    Args:
        model: The model.
        outputs: Outputs by task, from `predict` or `model.predict`; tasks may be missing.
        class_names: Names of the classes by task; default: those that the model was trained with, `model.class_names`.

    Returns:
        Predictions by task, in the order of `outputs`.

    Example:
        >>> import numpy as np, mtl_keras as mtl
        >>> from mtl_keras.prediction import decode
        >>> model = mtl.build_model(mtl.Tasks(mtl.Binary("parity")), "SmallCNN", image_shape=(8, 8, 1))
        >>> decode(model, {"parity": np.array([[0.2], [0.9]])}, {"parity": ("even", "odd")})["parity"].names
        ['even', 'odd']
    """
    names = model.class_names if class_names is None else class_names
    return {name: model.recipe.tasks[name].decode(np.asarray(out), names.get(name, ())) for name, out in outputs.items()}
