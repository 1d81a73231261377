"""Losses of Keras, as losses of rows."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from mtl_keras.errors import MTLError
from mtl_keras.tasks._keras_objects import create, to_value
from mtl_keras.tasks._options import Frozen, freeze

__all__ = ["check_loss", "refuse_unless_row_wise", "row_losses", "takes_indices"]


def check_loss(loss: Any, of: str) -> str | Frozen | None:
    """Return a loss as a value, without its reduction: the losses of rows are reduced by the model.

    Raises:
        MTLError: If Keras does not know it.
    """
    if loss is None:
        return None
    value = to_value("loss", loss, keras.losses, keras.losses.Loss, of)
    if isinstance(value, Mapping) and "reduction" in value["config"]:
        return Frozen({**value, "config": freeze({**value["config"], "reduction": "none"})})
    return value


def takes_indices(loss: str | Frozen | None) -> bool:
    """Return whether a loss takes class indices, rather than a probability of each class."""
    return _name(loss).startswith("sparse")


def row_losses(loss: str | Frozen, target: Any, prediction: Any) -> Any:
    """Return the loss of each row, `[batch]`: of several losses in a row their mean."""
    values = _function(loss)(target, prediction)
    rank = len(values.shape)
    return ops.mean(values, axis=tuple(range(1, rank))) if rank > 1 else values


def refuse_unless_row_wise(loss: str | Frozen, target: np.ndarray, prediction: np.ndarray, of: str, parts: bool) -> None:
    """Refuse a loss that is not one number for each row, or is no mean over the parts of a row where some may be missing.

    Args:
        loss: The loss.
        target: Example of targets as the loss takes them.
        prediction: Example of outputs.
        of: What the loss belongs to, for the message.
        parts: Whether single parts of a row may be missing.
    """

    def compute(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return np.asarray(ops.convert_to_numpy(row_losses(loss, ops.array(target), ops.array(prediction))))

    try:
        together = compute(target, prediction)
        alone = [compute(target[i : i + 1], prediction[i : i + 1]).reshape(-1) for i in range(len(target))]
        wrong = together.shape != (len(target),) or not np.allclose(together, np.concatenate(alone), rtol=1e-3, atol=1e-5)
        if parts and not wrong:
            each = compute(target.reshape(-1, 1), prediction.reshape(-1, 1)).reshape(len(target), -1)
            wrong = not np.allclose(together, each.mean(axis=1), rtol=1e-3, atol=1e-5)
    except Exception as error:  # noqa: BLE001  # whatever Keras raises
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise MTLError(
            f"The loss of {of} must take targets {list(target.shape[1:])} and outputs {list(prediction.shape[1:])} of a row. "
            f"Received: loss={_name(loss)!r}, which says: {said}. Pass another loss."
        ) from None
    if wrong:
        what = "the mean over the parts of each row" if parts else "one number for each row that depends on no other row"
        raise MTLError(f"The loss of {of} must be {what}. Received: loss={_name(loss)!r}, which is not. Pass another loss.")


@functools.lru_cache(maxsize=256)
def _function(loss: str | Frozen) -> Any:
    return create(loss, keras.losses)


def _name(loss: str | Frozen | None) -> str:
    if isinstance(loss, Mapping):
        return str(loss["config"].get("name") or loss["class_name"])
    return loss or ""
