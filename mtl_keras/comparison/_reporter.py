"""What a search tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Reporter"]


class Reporter:
    """Hears how a search goes on; every method does nothing unless a subclass says otherwise."""

    def stage(self, text: str) -> None:
        """A new stage begins; `text` says which."""

    def features(self, done: int, total: int) -> None:
        """Features of `done` of `total` images are there."""

    def training_begins(self, label: str, number: int, total: int, epochs: int) -> None:
        """Training `number` (from 1) of `total` begins, of `epochs` epochs at most."""

    def epoch_ends(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Epoch `epoch` (from 1, over all phases) of the training has ended."""

    def training_ends(self, row: Mapping[str, Any]) -> None:
        """The training has ended: a line of `trials.jsonl`, or the same fields for a final training."""
