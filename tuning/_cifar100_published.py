"""What the original of study 000 reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._published import published_rows

__all__ = ["ORIGINALS"]


@dataclass(frozen=True)
class Original:
    """What the original's README and the outputs of its notebook say of one training; accuracies of fine and coarse.

    Args:
        epochs: Number of epochs.
        train: On the training images, at the last epoch.
        last: On the test images, at the last epoch.
        best: On the test images, at the epoch that is best on them; None where it did not look.
    """

    epochs: int
    train: tuple[float, float]
    last: tuple[float, float]
    best: tuple[float, float] | None = None

    @property
    def published(self) -> tuple[dict[str, Any], ...]:
        """The values of its README, with their budget."""
        note = (
            f"test accuracy at the last of {self.epochs} epochs, one run; 50,000 training images, none for validation; 10,000 "
            "test images"
        )
        return published_rows(dict(zip(("fine", "coarse"), self.last, strict=True)), "accuracy", note)


ORIGINALS = {
    "initial": Original(20, (0.9161, 0.9295), (0.2679, 0.3864)),
    "resnet50_before": Original(15, (0.7630, 0.8626), (0.3635, 0.4972), (0.4546, 0.5997)),
    "resnet50_enhanced": Original(15, (0.7497, 0.8939), (0.4343, 0.6093), (0.4387, 0.6093)),
}
