"""Every model of keras.applications, with the preprocessing of its own module.

Names, options and preprocessing are read from Keras, so models added by later versions are available as well. What cannot be
read without building a network is listed in two small tables below, which the tests compare with Keras.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mtl_keras.backbones._family import Family, rename_operation
from mtl_keras.errors import MTLError, check_bool, check_number

__all__ = ["Application", "applications"]

#: Arguments that `Backbone` sets itself.
RESERVED = {"include_top", "weights", "input_tensor", "input_shape", "pooling", "classes", "classifier_activation", "name"}
#: Arguments that only affect the classifier.
TOP_ONLY = {"dropout", "dropout_rate", "include_preprocessing"}

#: Largest factor of a number of channels.
MAX_FACTOR = 64

#: Smallest height and width in px; 32 for all others.
MIN_SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}

#: What ImageNet weights were published for: image sizes in px, if there is one set of weights for each (for any other size
#: Keras would load the set for 224 px), and option values. Models that are not listed have no such restriction.
PUBLISHED: dict[str, tuple[tuple[int, ...], dict[str, tuple[Any, ...]]]] = {
    "MobileNet": ((128, 160, 192, 224), {"alpha": (0.25, 0.5, 0.75, 1.0), "depth_multiplier": (1,)}),
    "MobileNetV2": ((96, 128, 160, 192, 224), {"alpha": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)}),
    "MobileNetV3Large": ((), {"alpha": (0.75, 1.0)}),
    "MobileNetV3Small": ((), {"alpha": (0.75, 1.0)}),
}


class Application(Family):
    """One model function of `keras.applications`, under its own name, without its classifier."""

    pretrained = True

    def __init__(self, name: str, function: Callable[..., keras.Model]) -> None:
        parameters = inspect.signature(function).parameters
        self.name = name
        self.min_size = MIN_SIZES.get(name, 32)
        self.options = {k: p.default for k, p in parameters.items() if k not in RESERVED | TOP_ONLY}
        self._function = function
        self._inner_preprocessing = "include_preprocessing" in parameters

    def check_options(self, options: Mapping[str, Any]) -> None:
        for option, value in options.items():
            default = self.options[option]
            if isinstance(default, bool):
                check_bool(option, value, of=self.name)
            else:
                check_number(option, value, 0, MAX_FACTOR, bounds="(]", of=self.name, example=default)

    def check(self, side: tuple[int, ...], weights: str | None, options: Mapping[str, Any]) -> None:
        if weights != "imagenet" or self.name not in PUBLISHED:
            return
        sizes, published = PUBLISHED[self.name]
        if options.get("minimalistic"):
            published = {"alpha": (1.0,)}
        for option, values in published.items():
            if options[option] not in values:
                raise MTLError(
                    f"With ImageNet weights, `{option}` of {self.name} must be one of {', '.join(map(str, values))}. "
                    f"Received: {option}={options[option]!r}. Pass one of these, or weights=None."
                )
        if sizes and (side[0] != side[1] or side[0] not in sizes):
            nearest = min(sizes, key=lambda size: abs(size - side[0]))
            raise MTLError(
                f"With ImageNet weights, images for {self.name} must be square with sides of {', '.join(map(str, sizes))} px. "
                f"Received: {side[0]} x {side[1]}. Pass image_size={nearest}, or weights=None."
            )

    def offline(self) -> bool:
        return self.name in _models_in_cache()

    def preprocess(self, images: Any) -> Any:
        flip, scale, offset = _infer_affine(sys.modules[self._function.__module__].preprocess_input)
        if flip:
            images = rename_operation(ops.flip(images, axis=-1), "backbone_flip")
        if np.any(scale != 1) or np.any(offset != 0):
            images = layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="backbone_rescale")(images)
        return images

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        inputs = keras.Input(shape, name="backbone_input")
        inner = {"include_preprocessing": preprocessing} if self._inner_preprocessing else {}
        try:
            # Keras reports downloads on standard output, which is reserved for results.
            with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
                # MobileNetV3 warns that its weights were trained at 224 px, which is true of most models.
                warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
                model = self._function(
                    include_top=False, weights=weights, input_tensor=inputs, input_shape=shape, **inner, **options
                )
        except Exception as error:
            # `keras.utils.get_file` raises a bare Exception, which only its message distinguishes.
            if type(error) is Exception and "URL fetch failure" in str(error):
                raise OSError(str(error)) from error
            raise
        _rename_operations(model)
        return model


def applications() -> list[Application]:
    """Return one `Application` for every model function of `keras.applications`."""
    return [Application(name, f) for name, f in vars(keras.applications).items() if inspect.isfunction(f)]


def _infer_affine(preprocess_input: Callable[[np.ndarray], np.ndarray]) -> tuple[bool, np.ndarray, np.ndarray]:
    """Return whether a `preprocess_input` function reverses the channels, and its scale and offset for each channel."""
    offset = preprocess_input(np.zeros((1, 1, 1, 3)))[0, 0, 0]
    # Row c is the response to a 1 in channel c and 0 in the others.
    response = preprocess_input(np.eye(3).reshape(3, 1, 1, 3))[:, 0, 0] - offset
    flip = response[0, 0] == 0
    return flip, np.diagonal(response[::-1] if flip else response), offset


def _rename_operations(model: keras.Model) -> None:
    """Renumber automatically named operations within the model, so that names do not depend on models built before."""
    counts: Counter[str] = Counter()
    for operation in model.operations:
        stem = re.sub(r"_\d+$", "", operation.name)
        if stem.replace("_", "") == type(operation).__name__.lower():
            operation.name = f"{stem}_{counts[stem]}" if counts[stem] else stem
            counts[stem] += 1
    model.name = "backbone"


def _models_in_cache() -> set[str]:
    """Return the names of the models for which Keras' cache holds a weights file without a classifier."""

    def squeeze(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    models = {squeeze(name): name for name, f in vars(keras.applications).items() if inspect.isfunction(f)}
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    found = set()
    for file in map(squeeze, (path.name for path in folder.glob("*.h5"))) if folder.is_dir() else ():
        # The longest matching name: resnet50v2_weights... belongs to ResNet50V2, not to ResNet50.
        inside = max((name for name in models if name in file), key=len, default=None)
        if inside and "notop" in file:
            found.add(models[inside])
    return found
