"""A multilayer perceptron, for rows of a table and other vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mtl_keras.backbones._family import Family, rename_operation
from mtl_keras.errors import (
    MTLError,
    check_bool,
    check_count,
    check_fraction,
    check_instances,
    check_option,
    check_size,
    describe,
)
from mtl_keras.tables import Column

__all__ = ["MLP"]

#: Categories of at most so many codes become 0 and 1 for each; others get trained vectors of at most so many numbers.
MOST_ONE_HOT, MOST_EMBEDDING = 10, 50


class MLP(Family):
    """Dense layers on the columns of a table, or on any vector of numbers; no pretrained weights.

    Options:
        columns: The input columns, `data.columns`: numbers, booleans and dates are standardized by their training mean and
            standard deviation, and a missing value becomes the mean and sets an indicator; a category of at most 10 codes
            becomes 0 and 1 for each, one of more codes a trained vector. Default `()`: a vector of numbers, taken as it is.
        width: Units of each dense layer; default 128.
        depth: Number of blocks; default 2. A block is a dense layer, normalization, ReLU and dropout.
        dropout: Dropout rate in each block, in `[0, 1)`; default 0.
        norm: Normalization in each block: `"batch"`, `"layer"` or None (default).
        residual: Whether each block is added to its input; default False. A block is then normalization, a dense layer, ReLU,
            dropout and a second dense layer, between a first dense layer and a last normalization and ReLU.
        embedding: Size of the vector of a category; None (default) is `1.6 * codes ** 0.56`, at most 50.

    Reference:
        Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko, Revisiting deep learning models for tabular data, NeurIPS 2021
        (residual). The rule for embeddings is that of fastai.
    """

    name = "MLP"
    rank = 1
    channels = None
    options: Mapping[str, Any] = {
        "columns": (),
        "width": 128,
        "depth": 2,
        "dropout": 0.0,
        "norm": None,
        "residual": False,
        "embedding": None,
    }

    def read_option(self, name: str, value: Any) -> Any:
        if name != "columns" or not isinstance(value, Sequence) or isinstance(value, str):
            return super().read_option(name, value)
        # From a configuration.
        return tuple(Column.from_config(each) if isinstance(each, Mapping) else each for each in value)

    def option_config(self, name: str, value: Any) -> Any:
        return [column.config() for column in value] if name == "columns" else super().option_config(name, value)

    def check_options(self, options: Mapping[str, Any]) -> None:
        columns = check_instances("columns", options["columns"], Column, of=self.name)
        names = [column.name for column in columns]
        if len(set(names)) < len(names):
            raise MTLError(f"`columns` of {self.name} must have different names. Received: {describe(names)}. Rename one.")
        check_size("width", options["width"], of=self.name, example=128)
        check_count("depth", options["depth"], of=self.name, example=2)
        check_fraction("dropout", options["dropout"], bounds="[)", of=self.name, example=0.1)
        check_option("norm", options["norm"], (None, "batch", "layer"), of=self.name)
        check_bool("residual", options["residual"], of=self.name)
        if options["embedding"] is not None:
            check_size("embedding", options["embedding"], of=self.name, example=8)

    def check(self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any]) -> None:
        columns = options["columns"]
        if columns and len(columns) != shape[0]:
            raise MTLError(
                f"`columns` of {self.name} must be those of the inputs. Received: {len(columns)} columns for rows of "
                f"{shape[0]} numbers. Pass columns=data.columns."
            )

    def missing(self, options: Mapping[str, Any]) -> tuple[bool, ...]:
        return tuple(column.missing for column in options["columns"])

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        x = inputs = keras.Input(shape, name="backbone_input")
        # Inputs
        if options["columns"]:
            x = _read_columns(x, options["columns"], options["embedding"])
        # Blocks
        width, norm, rate = options["width"], options["norm"], options["dropout"]
        if options["residual"]:
            x = layers.Dense(width, name="dense")(x)
        for i in range(1, options["depth"] + 1):
            if options["residual"]:
                block = _normalize(x, norm, f"dense{i}_norm")
                block = layers.Dense(width, activation="relu", name=f"dense{i}")(block)
                block = _drop(block, rate, f"dense{i}_dropout")
                block = layers.Dense(width, name=f"dense{i}_out")(block)
                x = layers.Add(name=f"dense{i}_add")([x, block])
            else:
                x = layers.Dense(width, use_bias=norm != "batch", name=f"dense{i}")(x)
                x = layers.ReLU(name=f"dense{i}_relu")(_normalize(x, norm, f"dense{i}_norm"))
                x = _drop(x, rate, f"dense{i}_dropout")
        if options["residual"]:
            x = layers.ReLU(name="relu")(_normalize(x, norm, "norm"))
        return keras.Model(inputs, x, name="backbone")


def _normalize(x: Any, norm: str | None, name: str) -> Any:
    """Return normalized features."""
    if norm is None:
        return x
    # As in SmallCNN: small data sets have few steps per epoch.
    layer = layers.BatchNormalization(momentum=0.9, name=name) if norm == "batch" else layers.LayerNormalization(name=name)
    return layer(x)


def _drop(x: Any, rate: float, name: str) -> Any:
    return layers.Dropout(rate, name=name)(x) if rate else x


def _read_columns(x: Any, columns: Sequence[Column], embedding: int | None) -> Any:
    """Return features `[batch, n]` of the columns of rows `[batch, d]`: numbers, indicators, and what stands for categories.

    All of it is in float32, since neither codes nor numbers fit float16. There is no layer of preprocessing with a state or a
    table: ONNX Runtime refuses what becomes of `StringLookup`, and `Normalization` adds inputs.
    """
    parts = []
    numbers = [place for place, column in enumerate(columns) if not column.categorical]
    if numbers:
        parts += _read_numbers(_take(x, numbers, "numbers"), [columns[place] for place in numbers])
    for place, column in enumerate(columns):
        if column.categorical:
            parts.append(_read_category(_take(x, [place], f"column{place}"), column.size, embedding, f"column{place}"))
    return layers.Concatenate(dtype="float32", name="columns")(parts) if len(parts) > 1 else parts[0]


def _read_numbers(x: Any, columns: Sequence[Column]) -> list[Any]:
    """Return standardized numbers, with 0 for what is missing, and indicators of what is missing."""
    scale = np.array([1 / column.scale for column in columns])
    offset = [-column.mean / column.scale for column in columns]
    standardized = layers.Rescaling(scale.tolist(), offset, dtype="float32", name="numbers_rescale")(x)
    missing = [place for place, column in enumerate(columns) if column.missing]
    if not missing:
        return [standardized]
    # Not `isnan`, which LiteRT has not.
    absent = rename_operation(ops.not_equal(x, x), "numbers_absent")
    zeros = rename_operation(ops.zeros_like(standardized), "numbers_zeros")
    present = rename_operation(ops.where(absent, zeros, standardized), "numbers_present")
    indicators = rename_operation(ops.cast(absent, "float32"), "numbers_indicators")
    return [present, indicators if len(missing) == len(columns) else _take(indicators, missing, "numbers_missing")]


def _read_category(codes: Any, size: int, embedding: int | None, name: str) -> Any:
    """Return what stands for codes `[batch, 1]`: 0 and 1 for each of few, of which code 0 has none, else a trained vector."""
    codes = rename_operation(ops.cast(codes, "int32"), f"{name}_codes")
    if size <= MOST_ONE_HOT:
        each = rename_operation(ops.one_hot(codes, max(size, 2)), f"{name}_one_hot")
        return layers.Flatten(dtype="float32", name=f"{name}_flat")(
            _take(each, [*range(1, max(size, 2))], f"{name}_known", axis=2)
        )
    length = embedding or min(MOST_EMBEDDING, round(1.6 * size**0.56))
    vectors = layers.Embedding(size, length, dtype="float32", name=f"{name}_embedding")(codes)
    return layers.Flatten(dtype="float32", name=f"{name}_flat")(vectors)


def _take(x: Any, places: Sequence[int], name: str, axis: int = 1) -> Any:
    """Return some entries along an axis."""
    if len(places) == x.shape[axis]:
        return x
    return rename_operation(ops.take(x, [*places], axis=axis), name)
