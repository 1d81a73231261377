"""Predictions in the user's terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_keras.errors import MTLError

__all__ = ["Decoded"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Predictions of one task, decoded from the model's outputs by `Task.decode`.

    Attributes:
        values: One prediction per row, in the form of the task's labels: class indices or ranks `[n]`, 0/1 label sets
            `[n, classes]`, numbers `[n]` or `[n, size]`, pixels `[n, height, width, channels]` in `[0, 255]`.
        probabilities: Probability of each class or label, `[n, classes]`; None for a task without classes.
        class_names: Names of the classes; empty if unknown.

    Raises:
        MTLError: If there are class names, but not one per class.
    """

    values: np.ndarray
    probabilities: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        classes = 0 if self.probabilities is None else self.probabilities.shape[-1]
        if self.class_names and len(self.class_names) != classes:
            raise MTLError(
                f"`class_names` must hold one name per class. Received: {len(self.class_names)} names for {classes} classes. "
                "Pass the names in the order of the classes, or none."
            )

    @property
    def names(self) -> list[str] | list[tuple[str, ...]] | None:
        """Predicted class names, one per row, or for label sets one tuple per row; None if `class_names` is empty."""
        if not self.class_names:
            return None
        if self.values.ndim == 1:
            return [self.class_names[index] for index in self.values]
        return [tuple(name for name, hit in zip(self.class_names, row, strict=True) if hit) for row in self.values]
