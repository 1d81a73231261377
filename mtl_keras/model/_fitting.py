"""`fit`, `evaluate` and `predict` of a multi-task model: what they are given is checked before Keras sees it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.backbones import Backbone
from mtl_keras.data import check_input_rows, read_inputs
from mtl_keras.errors import MTLError, unknown
from mtl_keras.model._gramian import At
from mtl_keras.model._hooks import with_hooks
from mtl_keras.model._inputs import all_labeled, check_row_counts, complete_arrays
from mtl_keras.model._joint_training import JointTraining
from mtl_keras.model._units import fit_units

__all__ = ["Fitting"]

logger = logging.getLogger("mtl_keras")


class Fitting(JointTraining):
    """The methods of a model that take what a user has: arrays, tensors, datasets or generators.

    Arrays are checked as `mtl_keras.data.from_arrays` checks them. Batches are not read in advance.
    """

    _fitting = False
    _warned = False

    def check_inputs(self, shape: Any, *, features: bool = False) -> None:
        """Raise an error if inputs do not have the shape that the model was built for."""
        raise NotImplementedError

    def check_names(self, x: Any) -> None:
        """Raise an error if inputs, or their shapes, are not given by the names of those of the model.

        Args:
            x: What belongs to a single input, or a mapping of what belongs to each of several.

        Raises:
            MTLError: If a name is unknown or missing, or there are no names.
        """
        names = self.recipe.inputs
        if not names:
            if isinstance(x, Mapping):
                raise MTLError(
                    f"A model of one input must get one array. Received: a mapping of {', '.join(map(str, x))}. Pass the array."
                )
            return
        if not isinstance(x, Mapping):
            raise MTLError(
                f"A model of several inputs must get a dict of arrays. Received: one input. Pass "
                f"{{{', '.join(f'{name!r}: ...' for name in names)}}}."
            )
        for name in x:
            if name not in names:
                raise unknown("input", name, names)
        if missing := [name for name in names if name not in x]:
            raise MTLError(f"A model must get all of its inputs. Received: none for {', '.join(missing)}. Add it to the dict.")

    def check_values(self, x: Any, name: str = "x", *, features: bool = False) -> Any:
        """Return inputs in memory as an array after checking shape and values; warn once of values that images rarely have.

        Args:
            x: Inputs `[n, ...]`, or a mapping of several by name, which is returned as one.
            name: Name of the argument, for messages.
            features: Whether they are features of the trunk instead of images; default False.

        Raises:
            MTLError: If they are not one array of finite numbers with at least one row, of the shape that the model takes, or
                several inputs lack one or have different numbers of rows.
        """
        if not features and (self.recipe.inputs or isinstance(x, Mapping)):
            self.check_names(x)
            arrays = {key: self._check_array(x[key], f"{name}[{key!r}]", trunk) for key, trunk in self._trunks()}
            self.check_inputs({key: array.shape[1:] for key, array in arrays.items()})
            check_input_rows(arrays, name)
            return arrays
        array = self._check_array(x, name, None if features else self.recipe.backbone)
        self.check_inputs(array.shape[1:], features=features)
        return array

    def _trunks(self) -> Iterable[tuple[str, Backbone]]:
        """Return each input by name with its backbone."""
        return self.recipe.backbone.trunks.items()

    def _check_array(self, x: Any, name: str, backbone: Backbone | None) -> np.ndarray:
        """Return one input as an array after checking its values; features have no backbone."""
        features = backbone is None
        array, unusual = read_inputs(x, name, missing=() if backbone is None else backbone.missing)
        if unusual is not None and not features and not self._warned:
            self.__dict__["_warned"] = True
            logger.warning(unusual)
        return array

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Train the model as `keras.Model.fit` does.

        After `compile(weighting=...)`, `y` is a dict of labels by task, as `Task.encode` stores them; NaN is an absent
        label. A reconstruction may be left out; its targets are pixels as integers, or floats in `[0, 1]`. `sample_weight`
        may be a dict of row weights for some of the tasks. Datasets yield `(x, y)` or `(x, y, sample_weight)` in the same
        form. The log has the loss, the metric and the loss weight of every task, and `mode="auto"` of callbacks knows the
        direction of each entry.

        The loss of a task is a mean weighted by `sample_weight`, divided by the sum of these weights: their ratios count,
        their scale does not. To make a task count more, use `weighting`.

        Raises:
            MTLError: If arrays do not fit the model or its tasks, or hold NaN or infinity as inputs; or if weights became NaN
                while the loss did not, as by NaN in a dataset.
        """
        x = self._checked(x, y, options.get("sample_weight"))
        if isinstance(validation := options.get("validation_data"), tuple | list) and len(validation) in (2, 3):
            inputs, labels, *weights = validation
            options["validation_data"] = (self._checked(inputs, labels, *weights, name="validation_data"), labels, *weights)
        if self._objective is None:
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, **options)
        if self._objective.labels == "unknown":
            self._refuse_class_weights()
            fit_units(self, x, y, options)
        y, options["sample_weight"] = complete_arrays(self.recipe.tasks, x, y, options.get("sample_weight"))
        if isinstance(validation := options.get("validation_data"), tuple | list) and len(validation) in (2, 3):
            inputs, labels, *weights = validation
            options["validation_data"] = (inputs, *complete_arrays(self.recipe.tasks, inputs, labels, *weights or [None]))
        if self._objective.labels == "unknown":
            # A dataset is not read in advance; there the first batch says whether a label can be absent.
            at: At | None = "activations" if all_labeled(y, options["sample_weight"]) else None
            if at != self._objective.at:
                self._objective.at, self.train_function = at, None
        self.weighting_variables = self._objective.state
        with self._as_fitting():
            return super().fit(x, y, batch_size, epochs, verbose, with_hooks(callbacks, self, self.recipe.tasks), **options)

    def _refuse_class_weights(self) -> None:
        """Refuse tasks with class weights, which are those of the training rows of a `Data`."""
        for name, task in self.recipe.tasks.items():
            if getattr(task, "class_weight", None) is not None:
                raise MTLError(
                    "`class_weight` must be used with mtl.train, which knows the training rows. Received: that of task "
                    f"{name!r} in `fit`. Call mtl.train(model, data, ...), or leave it out and pass sample_weight=."
                )

    @contextlib.contextmanager
    def _as_fitting(self) -> Iterator[None]:
        self.__dict__["_fitting"] = True
        try:
            yield
        finally:
            self.__dict__["_fitting"] = False

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that the optimizer updates; within `fit` in its own order, the weighting's trained variables included."""
        # Keras hands them to the optimizer when `fit` ends, which pairs them with its averages by position.
        return self._objective.variables if self._fitting and self._objective is not None else super().trainable_weights

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        **options: Any,
    ) -> Any:
        """Return the loss and metrics as `keras.Model.evaluate` does; labels and weights as for `fit`."""
        # Keras evaluates in each epoch what `fit` has checked once.
        if "_use_cached_eval_dataset" not in options:
            x = self._checked(x, y, sample_weight)
            if self._objective is not None:
                y, sample_weight = complete_arrays(self.recipe.tasks, x, y, sample_weight)
        return super().evaluate(x, y, batch_size, verbose, sample_weight, **options)

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, *args: Any, **options: Any) -> Any:
        """Take one step as `keras.Model.train_on_batch` does; labels and weights as for `fit`."""
        x = self._checked(x, y, sample_weight)
        if self._objective is not None:
            fit_units(self, x, y, {"sample_weight": sample_weight})
        return super().train_on_batch(x, y, sample_weight, *args, **options)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, *args: Any, **options: Any) -> Any:
        """Measure one batch as `keras.Model.test_on_batch` does; labels and weights as for `fit`."""
        return super().test_on_batch(self._checked(x, y, sample_weight), y, sample_weight, *args, **options)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        """Return the outputs by task as `keras.Model.predict` does."""
        return super().predict(self._checked(x, labeled=False), *args, **options)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs by task for one batch as `keras.Model.predict_on_batch` does."""
        return super().predict_on_batch(self._checked(x, labeled=False))

    def _checked(self, x: Any, y: Any = None, sample_weight: Any = None, *, name: str = "x", labeled: bool = True) -> Any:
        """Return inputs as Keras takes them, after checking arrays, with their labels and weights, and the shape of batches.

        Args:
            x: Inputs, or batches.
            y: Labels; None if `x` are batches.
            sample_weight: Row weights.
            name: Name of the argument, for messages.
            labeled: Whether there must be labels; default True.
        """
        several = bool(self.recipe.inputs)
        if isinstance(x, list | tuple) and len(x) == 1 and not several and np.ndim(x[0]) == len(self.input.shape):
            # A list of the inputs of the network, of which there is one.
            x = x[0]
        if hasattr(x, "element_spec"):
            self._check_batches(x)
        elif several and isinstance(x, Mapping | list | tuple | np.ndarray):
            if isinstance(x, Mapping) and any(name in self.recipe.tasks for name in x):
                # Of a network of the objective, which takes outputs of tasks as well.
                return x
            x = self.check_values(x, name)
            if labeled and self._objective is not None:
                check_row_counts(self.recipe.tasks, len(next(iter(x.values()))), y, sample_weight)
        elif isinstance(x, np.ndarray | list | tuple) or hasattr(x, "numpy"):
            array = self.check_values(x, name, features=hasattr(x, "shape") and self._are_features(x.shape))
            if labeled and self._objective is not None:
                check_row_counts(self.recipe.tasks, len(array), y, sample_weight)
            return array if isinstance(x, list | tuple) else x
        return x

    def _check_batches(self, dataset: Any) -> None:
        """Refuse a dataset whose inputs are known to have another shape than those of the model."""
        spec = dataset.element_spec
        spec = spec[0] if isinstance(spec, tuple | list) else spec
        if self.recipe.inputs:
            if not isinstance(spec, Mapping) or not any(name in self.recipe.tasks for name in spec):
                self.check_names(spec)
            return
        shape = getattr(spec, "shape", None)
        if shape is None or shape.rank is None or self._are_features(shape):
            return
        if tuple(shape) == tuple(self.input.shape[1:]):
            raise MTLError(
                f"A dataset must have batches [n, ...] of inputs. Received: single ones {list(shape)}. Pass x.batch(32)."
            )
        known = [own if side is None else side for side, own in zip(shape[1:], self.input.shape[1:], strict=False)]
        self.check_inputs(known if len(shape) == len(self.input.shape) else shape[1:])

    def _are_features(self, shape: Sequence[Any]) -> bool:
        """Return whether inputs `[n, ...]` are those of another network of the objective, as where a callback hands some on."""
        if self._objective is None or _fits(shape, self.input):
            return False
        return any(
            _fits(shape, network.input) for network in self._objective.networks if not isinstance(network.input, Mapping)
        )


def _fits(shape: Sequence[Any], symbolic: Any) -> bool:
    """Return whether inputs `[n, ...]` have the shape of a symbolic tensor, as far as both are known."""
    pairs = zip(tuple(shape)[1:], symbolic.shape[1:], strict=False)
    return len(shape) == len(symbolic.shape) and all(None in pair or pair[0] == pair[1] for pair in pairs)
