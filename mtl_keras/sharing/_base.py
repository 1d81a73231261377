"""The interface of every sharing method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

__all__ = ["Sharing"]


@dataclass(frozen=True)
class Sharing(ABC):
    """What lies between the trunk and the heads: it maps features to features for each task.

    A subclass is a frozen dataclass whose fields are plain JSON values. It builds functional Keras layers whose names
    start with `shared`. A layer on the path of several tasks is shared; a layer on the path of a single task is that
    task's own, wherever it was built.
    """

    #: The name in `SHARINGS` and in configs.
    name: ClassVar[str] = ""

    @abstractmethod
    def apply(self, features: Any, tasks: Sequence[str]) -> dict[str, Any]:
        """Build the shared layers.

        Args:
            features: Keras tensor from the trunk: `[batch, channels]`, or a feature map `[batch, height, width, channels]`
                if the backbone has `pooling=None`.
            tasks: Names of the tasks whose heads take the output. May be empty: with `Head(pooling=...)` a head takes
                the feature map directly.

        Returns:
            For each of `tasks`, the `[batch, channels]` features of its head.
        """

    @property
    def representation(self) -> str | None:
        """Name of the layer whose output is the shared representation, where gradient-based weighting may compare tasks.

        None (default) means the features passed to `apply`.
        """
        return None

    def check(self, pooling: str | None, tasks: Sequence[str]) -> None:
        """Raise an error if this method cannot be applied.

        Args:
            pooling: Pooling of the backbone; None if it returns a feature map.
            tasks: As for `apply`.

        Raises:
            MTLError: If the heads of these tasks would not receive `[batch, channels]` features.
        """

    def config(self) -> dict[str, Any]:
        """Return plain JSON values, which `mtl_keras.sharing.from_config` reads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"method": self.name, **{key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}}
