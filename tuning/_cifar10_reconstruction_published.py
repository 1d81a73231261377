"""What the original of study 002 reports, and the sizes and budgets that its values are compared at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LISTED", "METRICS", "ORIGINALS", "PARAMETERS", "SHORT", "SINGLE_TASK", "THREE"]

#: The tasks of all experiments; experiment 5 has another one, of random labels.
THREE = ("class", "animal", "image")
#: The metric of each task.
METRICS = {"class": "accuracy", "animal": "accuracy", "image": "mse", "coin": "accuracy"}


@dataclass(frozen=True)
class Original:
    """What the original shows of one training: values read off its plots, and the totals that it states.

    Args:
        epochs: About how many epochs its plots show, until it was stopped by hand.
        values: Test metric of each task at the last epoch; empty where there is no plot of it.
        train: Weighted total of the training losses at the last epoch; None where none is stated.
        test: The same of the test losses.
        on_training: Tasks whose value is of the training images, because no test value is published.
    """

    epochs: int
    values: Mapping[str, float] = field(default_factory=dict)
    train: float | None = None
    test: float | None = None
    on_training: tuple[str, ...] = ()

    @property
    def published(self) -> tuple[dict[str, Any], ...]:
        """The values with their budget."""
        budget = f"last of about {self.epochs} epochs, one run; 50,000 training"
        test = f"read off its plots: test, {budget} and 10,000 test images"
        training = f"TRAINING value, read off its plots, {budget} images; no test value"
        return tuple(
            {
                "task": task,
                "metric": METRICS[task],
                "value": value,
                "note": f"{task}: {training}" if task in self.on_training else test,
            }
            for task, value in self.values.items()
        )


ORIGINALS = {
    "exp1": Original(110, {}, 0.2414, 2.3439),
    "exp2": Original(845, {"class": 0.70, "animal": 0.943, "image": 0.0455}, 0.2515, 1.5522),
    "exp3": Original(410, {"class": 0.745, "animal": 0.945, "image": 0.048}, 0.2395, 0.4353),
    "exp4": Original(272, {"class": 0.55, "animal": 0.92, "image": 0.0165}, 0.4399, 0.6924),
    "exp5": Original(420, {"class": 0.72, "animal": 0.94, "image": 0.022, "coin": 0.5}, 0.2746, 0.5267),
    "geometric_mean": Original(121, {"class": 0.65, "animal": 0.947, "image": 0.063}, 0.3363, on_training=("image",)),
    "uncertainty": Original(235, {"class": 0.73, "animal": 0.95, "image": 0.023}),
    "dwa": Original(200, {"class": 0.735, "animal": 0.945, "image": 0.020}),
}

#: The original's single-task networks: task, what it is, epochs, training and test value at the last epoch, best test value.
SINGLE_TASK: tuple[tuple[str, str, int, float, float, float | None], ...] = (
    ("class", "three convolutions of unknown width, one dense layer", 290, 0.8527, 0.7418, None),
    ("animal", "8, 16, 32 channels with batch normalization, one dense layer", 216, 0.9872, 0.9477, 0.9512),
    ("image", "I: 8, 16, 32 channels, bottleneck 32", 70, 0.010, 0.012, None),
    ("image", "II: 8, 16, 32 channels, bottleneck 16", 50, 0.016, 0.017, None),
    ("image", "III: 8, 16 channels, bottleneck 8", 82, 0.022, 0.023, None),
    ("image", "IV: 4, 8 channels, bottleneck 8", 69, 0.023, 0.023, None),
    ("image", "V: 16, 32 channels, bottleneck 32", 151, 0.0110, 0.0118, 0.0116),
    ("image", "VI: 8, 16, 32 channels, bottleneck 32, batch normalization and dropout", 40, 0.0155, 0.0245, 0.0205),
)

#: The loss weights that the original lists for the end of its training, in the order of `THREE`.
LISTED = {"uncertainty": (0.9062182, 2.1785831, 0.811066), "dwa": (0.7590301, 1.4041971, 0.8367728)}

#: Parameters of each network, which a test counts: what the encoders differ in besides their depth.
PARAMETERS = dict.fromkeys(ORIGINALS, 74_766) | {"exp4": 571_630, "exp5": 83_471}

#: The budget of all configurations here; the published ones ran 100 to 850 epochs on 50,000 images until stopped by hand.
SHORT = {"train_rows": 20_000, "epochs": 12, "batch_size": 128, "online": ()}
