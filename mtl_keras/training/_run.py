"""What training returns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.training._phase import Phase

__all__ = ["Best", "Run"]


@dataclass(frozen=True)
class Best:
    """The epoch with the best monitor; of equal ones that with the lowest loss on the monitored rows, then the earliest.

    Attributes:
        phase: Number of the phase, from 0.
        epoch: Number of the epoch in that phase, from 1.
        monitor: The monitored entry of the log.
        value: Its value in that epoch.
    """

    phase: int
    epoch: int
    monitor: str
    value: float


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished training.

    Attributes:
        model: The trained model at the best epoch of the last phase.
        history: One row for each epoch: `phase`, `epoch`, then per task `[val_]{task}_loss` and `[val_]{task}_{metric}`,
            `[val_]skill`, `[val_]loss`, `loss_weight_{task}` and `learning_rate`; of alternated data sets also
            `steps_{data set}`, without training entries for tasks that an epoch had no step of.
        phases: The phases.
        best: The epoch that `model` is at.
        seed: Seed of the data order.
        seconds: Wall time of the training.
    """

    model: MultiTaskModel
    history: list[dict[str, Any]]
    phases: tuple[Phase, ...]
    best: Best
    seed: int
    seconds: float
    # By position among the model's weights; the others are those of the best epoch.
    _last_values: Mapping[int, np.ndarray]
    _shares_trunk: bool

    def __repr__(self) -> str:
        phase = f" of phase {self.best.phase}" if len(self.phases) > 1 else ""
        return (
            f"Run of {len(self.history)} epochs in {self.seconds:.1f} s: best epoch {self.best.epoch}{phase}, "
            f"{self.best.monitor} {self.best.value:.4g}"
        )

    @property
    def recipe(self) -> Recipe:
        """What the model was built from."""
        return self.model.recipe

    @property
    def last_model(self) -> MultiTaskModel:
        """A copy of the model at the last epoch, built anew at each access; it shares a trunk that training did not change."""
        backbone = self.recipe.backbone.without_weights()
        last = build_model(replace(self.recipe, backbone=backbone), trunk=self.model.trunk if self._shares_trunk else None)
        last.set_weights(self.model.get_weights())
        _assign(last, self._last_values)
        last.class_names = dict(self.model.class_names)
        last.encoder = self.model.encoder
        return last

    @contextlib.contextmanager
    def at_last_epoch(self) -> Iterator[MultiTaskModel]:
        """Return `model` with the weights of the last epoch for as long as the context is open; no network is built."""
        weights = self.model.weights
        best = {number: np.array(weights[number]) for number in self._last_values}
        _assign(self.model, self._last_values)
        try:
            yield self.model
        finally:
            _assign(self.model, best)


def _assign(model: MultiTaskModel, values: Mapping[int, np.ndarray]) -> None:
    """Assign values to weights by their position."""
    weights = model.weights
    for number, value in values.items():
        weights[number].assign(value)
