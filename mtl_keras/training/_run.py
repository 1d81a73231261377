"""What training returns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras

from mtl_keras.model import MultiTaskModel, Recipe, build_model
from mtl_keras.training._phase import Phase
from mtl_keras.training._stack import sources_of, submodel

__all__ = ["Best", "Run"]


@dataclass(frozen=True)
class Best:
    """The epoch that the monitor chose: the earliest of the best.

    Attributes:
        phase: Number of the phase, from 0.
        epoch: Number of the epoch in that phase, from 1.
        monitor: The entry of the log that decided.
        value: Its value there.
    """

    phase: int
    epoch: int
    monitor: str
    value: float


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    Attributes:
        model: The trained model at the best epoch of the last phase.
        history: One row an epoch: `phase`, `epoch`, then per task `[val_]{task}_loss` and `[val_]{task}_{metric}`,
            `[val_]skill`, `[val_]loss`, `loss_weight_{task}` and `learning_rate`; of data sets that are alternated
            `steps_{data set}`, and nothing on the training rows of one that an epoch had no step of.
        phases: As they were run.
        best: Which epoch `model` stands at.
        seed: Of the data order.
        seconds: Wall time of the training.
    """

    model: MultiTaskModel
    history: list[dict[str, Any]]
    phases: tuple[Phase, ...]
    best: Best
    seed: int
    seconds: float
    _last_weights: list[Any]
    _on_features: bool

    @property
    def recipe(self) -> Recipe:
        """What the model was built from."""
        return self.model.recipe

    @property
    def last_model(self) -> MultiTaskModel:
        """A copy of the model at the last epoch, built anew at each call; a trunk that stayed as it was is the model's own."""
        backbone = self.recipe.backbone.resolve().replace(weights=None)
        last = build_model(replace(self.recipe, backbone=backbone), trunk=self.model.trunk if self._on_features else None)
        last.set_weights(self.model.get_weights())
        part = self._trained(last)
        part.set_weights(self._last_weights[: len(part.weights)])
        return last

    @contextlib.contextmanager
    def at_last_epoch(self) -> Iterator[MultiTaskModel]:
        """Give `model` the weights of the last epoch for as long as the context is open: no network is built for it."""
        part = self._trained(self.model)
        best = part.get_weights()
        part.set_weights(self._last_weights[: len(part.weights)])
        try:
            yield self.model
        finally:
            part.set_weights(best)

    def _trained(self, model: MultiTaskModel) -> keras.Model:
        """Return what the last phase trained, whose weights are the first of the last epoch's; the weighting's own follow."""
        return keras.Model(*submodel(model, self._on_features, sources_of(self.recipe, self.phases[-1])))
