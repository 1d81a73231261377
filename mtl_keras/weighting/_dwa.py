"""Dynamic weight average: more weight for losses that decrease slowly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from keras import ops

from mtl_keras.errors import check_number, store
from mtl_keras.weighting._base import LossWeighting

__all__ = ["DWA"]


@dataclass(frozen=True)
class DWA(LossWeighting):
    """Minimize the sum of weight x loss with `w = T softmax(r / temperature)`, `r_i = L_i(t - 1) / L_i(t - 2)`.

    `L_i(t)` is the mean loss over the labeled training rows of epoch `t`. Weights change between epochs only. They are 1
    in the first two epochs and always sum to the number of tasks.

    Deviation from the paper: `r_i = 1` for a task without a label in one of the two epochs, or with a loss of 0.

    Args:
        temperature: Above 0, default 2 as in the paper. Larger values make the weights more equal.

    Raises:
        MTLError: If the temperature is not above 0.

    Example:
        >>> DWA(temperature=1.0).config()
        {'method': 'dwa', 'temperature': 1.0}

    Reference:
        S. Liu, E. Johns, A. J. Davison, End-to-end multi-task learning with attention, CVPR 2019.
    """

    name: ClassVar[str] = "dwa"

    temperature: float = 2.0

    def __post_init__(self) -> None:
        store(self, temperature=check_number("temperature", self.temperature, 0, bounds="(]", of="'dwa'", example=2.0))

    def state(self, tasks: Sequence[str]) -> dict[str, np.ndarray]:
        # A last loss of 0 means that there is none yet.
        return {"weights": np.ones(len(tasks), np.float32), "last_losses": np.zeros(len(tasks), np.float32)}

    def total(self, losses: Any, present: Any, state: Mapping[str, Any]) -> Any:
        return ops.sum(state["weights"] * losses)

    def loss_weights(self, losses: Any, state: Mapping[str, Any]) -> Any:
        return state["weights"]

    def on_epoch_end(self, losses: np.ndarray, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        last = state["last_losses"].astype(np.float64)
        known = np.isfinite(losses) & (losses > 0) & (last > 0)
        ratios = np.where(known, losses / np.where(last > 0, last, 1.0), 1.0) / self.temperature
        powers = np.exp(ratios - ratios.max())
        weights = len(losses) * powers / powers.sum()
        kept = np.where(np.isfinite(losses), losses, 0.0)
        return {"weights": weights.astype(np.float32), "last_losses": kept.astype(np.float32)}
