"""What a phase is trained on: images, or what comes out of the frozen part of the trunk, which is cached."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mtl_keras.data import Data
from mtl_keras.data.cache import default_cache_dir
from mtl_keras.model import Cut, MultiTaskModel
from mtl_keras.training._phase import CacheDtype, Phase
from mtl_keras.training._stacking import sources_of

__all__ = ["PhaseInputs"]


class PhaseInputs:
    """Returns the images, or the output of the frozen part of the trunk, which is computed once for phases in a row.

    Args:
        model: The model.
        data: Images, or features of the model's trunk.
        cache_dir: Folder of the feature cache; None is the user's, False computes features anew at every step.
    """

    def __init__(self, model: MultiTaskModel, data: Data, cache_dir: str | Path | Literal[False] | None) -> None:
        self.model, self.data, self.cache_dir = model, data, cache_dir
        self._held: tuple[Cut, CacheDtype, Data] | None = None

    def for_phase(self, phase: Phase) -> tuple[Data, Cut | None]:
        """Return what a phase is trained on, and where in the trunk that enters; the trainable flags must be set."""
        cut = self.model.frozen_cut(phase.train_from)
        if cut is not None and cut.inputs and (self.data.train.views is not None or sources_of(self.model.recipe, phase)):
            # Features of several inputs are one row for each; outputs of tasks are computed from the inputs.
            cut = None
        if self.data.features is not None:
            return self.data, cut
        if cut is None or self.cache_dir is False:
            self._held = None
            return self.data, None
        return self._features(cut, phase.cache_dtype if cut.layer else "float32"), cut

    def _features(self, cut: Cut, dtype: CacheDtype) -> Data:
        """Return the data with the output of the network before the cut.

        That of the phase before is used again if the cut is the same: what lies in front of it was frozen all the time.
        """
        if self._held is None or self._held[:2] != (cut, dtype):
            # First: two of them may not fit into the memory.
            self._held = None
            where = self.cache_dir or default_cache_dir()
            data = self.data
            for name in cut.inputs or ("",):
                network, fingerprint = self.model.before(cut, name), self.model.fingerprint(cut, name)
                data = data.featurize(network, fingerprint, where, dtype=dtype, name=name)
            self._held = cut, dtype, data
        return self._held[2]
