"""Progress of a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Reporter"]


class Reporter:
    """Receives the progress of a command. Every method does nothing; override those of interest in a subclass."""

    def on_stage(self, text: str) -> None:
        """Handle the begin of a stage, which `text` describes."""

    def on_features(self, done: int, total: int) -> None:
        """Handle that the features of `done` of `total` images are computed."""

    def on_images(self, done: int, total: int) -> None:
        """Handle that `done` of `total` images are decoded, or their views computed, into the cache."""

    def on_training_begin(self, label: str, number: int, total: int, epochs: int) -> None:
        """Handle the begin of training `number` (from 1) of `total`, which takes at most `epochs` epochs."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Handle the end of epoch `epoch` (from 1, counted over all phases) of the current training."""

    def on_training_end(self, row: Mapping[str, Any]) -> None:
        """Handle the end of a training; `row` is a line of `trials.jsonl`, or has the same fields for a final training."""
