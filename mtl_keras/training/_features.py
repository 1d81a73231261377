"""What a phase is trained on: images, or cached features of a frozen trunk."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mtl_keras.data import Data
from mtl_keras.data.cache import default_cache_dir
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel

__all__ = ["PhaseInputs"]


class PhaseInputs:
    """Returns the images, or the features of a frozen trunk, which are computed once for phases in a row.

    Args:
        model: The model.
        data: Images, or features of the model's trunk.
        cache_dir: Folder of the feature cache; None is the user's, False computes features anew at every step.
    """

    def __init__(self, model: MultiTaskModel, data: Data, cache_dir: str | Path | Literal[False] | None) -> None:
        self.model, self.data, self.cache_dir = model, data, cache_dir
        self._features = data if data.features else None

    def for_phase(self, number: int) -> tuple[Data, bool]:
        """Return what a phase is trained on, and whether that is features; its trainable flags must be set.

        Raises:
            MTLError: If the phase trains the trunk and there are only features.
        """
        on_features = self.model.frozen_trunk and (self.data.features is not None or self.cache_dir is not False)
        if not on_features:
            if self.data.features:
                raise MTLError(
                    f"A phase that trains the backbone must have the images. Received: cached features for phase {number}. "
                    "Pass the data as they were before `featurize`."
                )
            # This phase changes the trunk: what an earlier one cached is no longer its output.
            self._features = None
            return self.data, False
        if self._features is None:
            where = self.cache_dir or default_cache_dir()
            self._features = self.data.featurize(self.model.trunk, self.model.fingerprint(), where)
        return self._features, True
