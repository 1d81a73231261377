"""What a phase is trained on: images, or what comes out of the frozen part of the trunk, which is cached."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mtl_keras.data import Data
from mtl_keras.data.cache import default_cache_dir, digest_trunk
from mtl_keras.errors import MTLError
from mtl_keras.model import Cut, MultiTaskModel
from mtl_keras.training._phase import CacheDtype, Phase

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
        self._held: tuple[Cut, str, Data] | None = None

    def for_phase(self, number: int, phase: Phase) -> tuple[Data, Cut | None]:
        """Return what a phase is trained on, and where in the trunk that enters; the trainable flags must be set.

        Args:
            number: Number of the phase, for messages.
            phase: The phase.

        Raises:
            MTLError: If the phase trains the trunk and there are only features, or several tensors cross the cut.
        """
        cut = self.model.frozen_cut(phase.train_from)
        if self.data.features is not None and (cut is None or cut.layer is not None):
            raise MTLError(
                f"A phase that trains the backbone must have the images. Received: cached features for phase {number}. "
                "Pass the data as they were before `featurize`."
            )
        if self.data.features is not None:
            return self.data, cut
        if cut is None or self.cache_dir is False:
            self._held = None
            return self.data, None
        return self._features(cut, phase.cache_dtype if cut.layer else "float32"), cut

    def _features(self, cut: Cut, dtype: CacheDtype) -> Data:
        """Return the data with the output of the network before the cut; of a phase before if its weights are the same."""
        network, fingerprint = self.model.before(cut), self.model.fingerprint(cut)
        digest = digest_trunk(network, {**fingerprint, "dtype": dtype})
        if self._held is None or self._held[:2] != (cut, digest):
            # First: two of them may not fit into the memory.
            self._held = None
            where = self.cache_dir or default_cache_dir()
            self._held = cut, digest, self.data.featurize(network, fingerprint, where, dtype=dtype)
        return self._held[2]
