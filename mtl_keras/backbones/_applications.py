"""Every model of keras.applications, each with the preprocessing that its own module names.

Names, options and preprocessing are read from the library, so that a model which a later Keras adds is here as well. What
cannot be read without building a network stands in two small tables below, which the tests compare with the library.
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

from mtl_keras.backbones._family import Family, named
from mtl_keras.errors import MTLError

__all__ = ["Application", "applications"]

#: Arguments that `Backbone` sets itself, or that only matter to the classifier on top.
OURS = {"include_top", "weights", "input_tensor", "input_shape", "pooling", "classes", "classifier_activation", "name"}
TOP_ONLY = {"dropout", "dropout_rate", "include_preprocessing"}

#: Smallest side in px; 32 for all others.
MIN_SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}

#: What ImageNet weights were published for: sides in px where there is a set for each of several (Keras would load the one
#: for 224 px at any other size), and options. Anything goes where nothing stands.
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
        self.options = {k: p.default for k, p in parameters.items() if k not in OURS | TOP_ONLY}
        self._function = function
        self._inner_preprocessing = "include_preprocessing" in parameters

    def check(self, side: tuple[int, int], weights: str | None, options: Mapping[str, Any]) -> None:
        for option, value in options.items():
            kind = bool if type(self.options[option]) is bool else (int, float)
            if not isinstance(value, kind) or (kind is not bool and (isinstance(value, bool) or value <= 0)):
                expected = "true or false" if kind is bool else "a positive number"
                raise MTLError(
                    f"`{option}` of {self.name} is {expected}. Received: {option}={value!r}. Leave it out if unsure."
                )
        if weights != "imagenet" or self.name not in PUBLISHED:
            return
        sizes, published = PUBLISHED[self.name]
        if options.get("minimalistic"):
            published = {"alpha": (1.0,)}
        for option, values in published.items():
            if options[option] not in values:
                raise MTLError(
                    f"The ImageNet weights of {self.name} exist for {option} = {', '.join(map(str, values))}. "
                    f"Received: {option}={options[option]!r}. Choose one of them, or give weights=None."
                )
        if sizes and (side[0] != side[1] or side[0] not in sizes):
            nearest = min(sizes, key=lambda size: abs(size - side[0]))
            raise MTLError(
                f"The ImageNet weights of {self.name} exist for square images of {', '.join(map(str, sizes))} px. "
                f"Received: {side[0]} x {side[1]}. Give image_size={nearest}, or weights=None."
            )

    def offline(self) -> bool:
        return self.name in _cached()

    def preprocess(self, images: Any) -> Any:
        flip, scale, offset = _affine(sys.modules[self._function.__module__].preprocess_input)
        if flip:
            images = named(ops.flip(images, axis=-1), "backbone_flip")
        if np.any(scale != 1) or np.any(offset != 0):
            images = layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="backbone_rescale")(images)
        return images

    def network(
        self, shape: tuple[int, int, int], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        inputs = keras.Input(shape, name="backbone_input")
        inner = {"include_preprocessing": preprocessing} if self._inner_preprocessing else {}
        try:
            # Keras tells of a download on standard output, which belongs to results.
            with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
                # MobileNetV3 says that its weights were trained at 224 px, as those of most models were.
                warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
                model = self._function(
                    include_top=False, weights=weights, input_tensor=inputs, input_shape=shape, **inner, **options
                )
        except Exception as error:
            # `keras.utils.get_file` raises a bare Exception, which has no better mark than its message.
            if type(error) is Exception and "URL fetch failure" in str(error):
                raise OSError(str(error)) from error
            raise
        _rename(model)
        return model


def applications() -> list[Application]:
    """Return one `Application` for every model function of `keras.applications`."""
    return [Application(name, f) for name, f in vars(keras.applications).items() if inspect.isfunction(f)]


def _affine(preprocess_input: Callable[[np.ndarray], np.ndarray]) -> tuple[bool, np.ndarray, np.ndarray]:
    """Read off what a `preprocess_input` does: whether it flips the channels, then its scale and offset for each."""
    offset = preprocess_input(np.zeros((1, 1, 1, 3)))[0, 0, 0]
    # Row c is the response to a 1 in channel c alone.
    response = preprocess_input(np.eye(3).reshape(3, 1, 1, 3))[:, 0, 0] - offset
    flip = response[0, 0] == 0
    return flip, np.diagonal(response[::-1] if flip else response), offset


def _rename(model: keras.Model) -> None:
    """Number the operations that Keras named by itself from the model's start, not from the process's."""
    counts: Counter[str] = Counter()
    for operation in model.operations:
        stem = re.sub(r"_\d+$", "", operation.name)
        if stem.replace("_", "") == type(operation).__name__.lower():
            operation.name = f"{stem}_{counts[stem]}" if counts[stem] else stem
            counts[stem] += 1
    model.name = "backbone"


def _cached() -> set[str]:
    """Names of the models of which Keras' cache holds a weights file without classifier."""

    def squeeze(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    models = {squeeze(name): name for name, f in vars(keras.applications).items() if inspect.isfunction(f)}
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    found = set()
    for file in map(squeeze, (path.name for path in folder.glob("*.h5"))) if folder.is_dir() else ():
        # The longest name wins: resnet50v2_weights... is not ResNet50's.
        inside = max((name for name in models if name in file), key=len, default=None)
        if inside and "notop" in file:
            found.add(models[inside])
    return found
