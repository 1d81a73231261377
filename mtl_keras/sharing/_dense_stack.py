"""Hard parameter sharing: dense layers that all tasks use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from mtl_keras.errors import MTLError, check_choice, check_fraction, check_sizes, store
from mtl_keras.layers import Pooling, activation_names, apply_dense, apply_pooling
from mtl_keras.sharing._base import Sharing

__all__ = ["DenseStack"]


@dataclass(frozen=True)
class DenseStack(Sharing):
    """Hard parameter sharing: one stack of dense layers, whose output every head takes.

    Layers are named `shared_pool`, `shared_dense_1`, `shared_dropout_1`, and so on.

    Args:
        dense: Units of each dense layer, at least 1 each; default `()`, which shares the trunk alone.
        dropout: Rate of the dropout after each dense layer, in `[0, 1)`; default 0.
        activation: Name of the Keras activation of each dense layer; default `"relu"`.
        pooling: How to pool the feature map of a backbone with `pooling=None`: `"avg"`, `"max"` or `"flatten"`. None
            (default) takes pooled features.

    Raises:
        MTLError: If a value is out of range, or the activation or pooling is unknown.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.sharing.DenseStack((256, 64), dropout=0.2).representation
        'shared_dropout_2'

    Reference:
        R. Caruana, Multitask learning, Machine Learning 28, 1997.
    """

    dense: tuple[int, ...] = ()
    dropout: float = 0.0
    activation: str = "relu"
    pooling: Pooling | None = None

    name: ClassVar[str] = "dense_stack"

    def __post_init__(self) -> None:
        store(
            self,
            dense=check_sizes("dense", self.dense, of="the shared stack", example=256),
            dropout=check_fraction("dropout", self.dropout, bounds="[)", example=0.2),
        )
        check_choice("activation", self.activation, activation_names())
        if self.pooling is not None:
            check_choice("pooling", self.pooling, get_args(Pooling))

    @property
    def _pools(self) -> bool:
        return self.pooling not in (None, "features")

    @property
    def representation(self) -> str | None:
        if self.dense:
            return f"shared_{'dropout' if self.dropout else 'dense'}_{len(self.dense)}"
        return "shared_pool" if self._pools else None

    def check(self, pooling: str | None, tasks: Sequence[str]) -> None:
        if pooling is not None and self._pools:
            raise MTLError(
                f"`pooling` of the shared stack must be None if the backbone pools its features. Received: "
                f"pooling={self.pooling!r} and a backbone with pooling={pooling!r}. Set one of them to None."
            )
        if pooling is None and not self._pools and tasks:
            raise MTLError(
                f"Heads must receive pooled features. Received: pooling=None for task {tasks[0]!r}, pooling={self.pooling!r} "
                "for the shared stack and pooling=None for the backbone. Give one of them pooling='avg', 'max' or 'flatten'."
            )

    def apply(self, features: Any, tasks: Sequence[str]) -> dict[str, Any]:
        features = apply_pooling(features, self.pooling, "shared")
        if len(features.shape) > 2:
            # An unpooled map: every head pools it itself.
            return {}
        # Built even for no task: initializers draw their seeds in the order in which layers are built.
        features = apply_dense(features, self.dense, activation=self.activation, dropout=self.dropout, prefix="shared")
        return dict.fromkeys(tasks, features)
