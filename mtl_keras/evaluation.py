"""Numbers for one split, recomputed from the model's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from mtl_keras.data import Data, Split, cache, trivial_scores
from mtl_keras.errors import MTLError
from mtl_keras.model import MultiTaskModel

__all__ = ["Evaluation", "Score", "evaluate"]

#: Pairs of truth and prediction kept of each reconstruction, for pictures.
EXAMPLES = 16


@dataclass(frozen=True)
class Score:
    """One metric of one task on one split.

    Attributes:
        task: Name of the task.
        metric: Name of the metric.
        value: Its value.
        n: Labeled rows that it was computed from.
        unit: In words.
        direction: `"max"` if higher is better, else `"min"`.
        trivial: The same metric of the predictor that ignores the input (majority class, mean image of the training rows).
        skill: `(value - trivial) / (perfect - trivial)`, for the task's own metric only.
    """

    task: str
    metric: str
    value: float
    n: int
    unit: str
    direction: str
    trivial: float
    skill: float | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model reaches on one split.

    Attributes:
        split: Name of the split.
        scores: Every metric of every task that has labels there.
        skill: Mean over tasks of the skill of each task's own metric.
        confusion: Counts `[classes, classes]` by task, rows = true, columns = predicted.
        class_names: Names of the classes by task, where known.
        examples: Up to 16 pairs `(truth, prediction)` by task that gives images, each `[n, height, width, channels]`
            in `[0, 1]`.
    """

    split: str
    scores: tuple[Score, ...]
    skill: float
    confusion: Mapping[str, np.ndarray] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    examples: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def value(self, task: str, metric: str) -> float:
        """Return one value.

        Raises:
            KeyError: If the task has no such metric here.
        """
        return self.values()[task][metric]

    def values(self) -> dict[str, dict[str, float]]:
        """Return `{task: {metric: value}}`."""
        values: dict[str, dict[str, float]] = {}
        for score in self.scores:
            values.setdefault(score.task, {})[score.metric] = score.value
        return values


def evaluate(
    model: MultiTaskModel,
    data: Data,
    split: Literal["train", "validation", "test"] = "validation",
    *,
    batch_size: int = 512,
    cache_dir: str | Path | Literal[False] | None = None,
) -> Evaluation:
    """Score a model on one split from its predictions, never from a running average.

    Args:
        model: From `build_model` or `load_model`.
        data: The split is scored, and the training rows give the trivial predictor.
        split: Which one; the test split is for the final figures, once.
        batch_size: Rows a step; default 512.
        cache_dir: Where a frozen trunk's features are kept; None (default) is the user's cache folder, False computes
            them anew.

    Returns:
        Every metric with its n, unit, direction and trivial value; absent labels do not count.

    Raises:
        MTLError: If the data has no such split, or tasks differ.

    Example:
        >>> import mtl_keras as mtl
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10)))
        >>> model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
        >>> mtl.evaluate(model, data).scores[0].n
        288
    """
    rows: Split | None = {"train": data.train, "validation": data.validation, "test": data.test}.get(split)
    if rows is None:
        raise MTLError(
            f"The data has the split that is evaluated. Received: split={split!r} of data without it. Give test rows."
        )
    if set(data.tasks) != set(model.recipe.tasks):
        raise MTLError(
            f"Model and data carry the same tasks. Received: a model of {', '.join(model.recipe.tasks)} and data of "
            f"{', '.join(data.tasks)}. Use data.only(...)."
        )
    trivial = trivial_scores(data.train, rows)
    rows = rows.first_view()
    predictions = _predict(model, data, rows, batch_size, cache_dir)
    scores: list[Score] = []
    confusion: dict[str, np.ndarray] = {}
    examples: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, task in model.recipe.tasks.items():
        if name not in trivial:
            continue
        present = np.flatnonzero(rows.weight[name] > 0)
        stored, predicted = rows.y[name], predictions[name]
        if len(present) < len(rows):
            stored, predicted = stored[present], predicted[present]
        values = task.score(stored, predicted)
        for metric in task.metrics:
            value, base = values[metric.name], trivial[name][metric.name]
            skill = metric.skill(value, base) if metric is task.metric else None
            scores.append(Score(name, metric.name, value, len(present), metric.unit, metric.direction, base, skill))
        if task.from_input:
            examples[name] = (keras.ops.convert_to_numpy(task.target(stored[:EXAMPLES])), predicted[:EXAMPLES])
        if (counts := task.confusion(stored, predicted)) is not None:
            confusion[name] = counts
    if not scores:
        raise MTLError(f"A split is scored on its labels. Received: split {split!r} without a single one. Give labeled rows.")
    skill = float(np.mean([score.skill for score in scores if score.skill is not None]))
    return Evaluation(split, tuple(scores), skill, confusion, data.class_names, examples)


def _predict(
    model: MultiTaskModel, data: Data, rows: Split, batch_size: int, cache_dir: str | Path | Literal[False] | None
) -> dict[str, np.ndarray]:
    """Return the outputs for every row, through cached features where the trunk is frozen."""
    x = rows.x
    holds_features = data.features is not None and x.shape[1:] == model.features.shape[1:]
    if not holds_features and model.frozen_trunk and cache_dir is not False:
        where, trunk = cache_dir or cache.default_cache_dir(), model.trunk
        found = [cache.features(trunk, x[piece], model.identity(), where) for piece in rows.pieces()]
        x = found[0] if len(found) == 1 else np.concatenate(found)
        holds_features = True
    network = keras.Model(model.features if holds_features else model.input, model.output)
    # Called batch by batch: `predict` would trace a function for seconds to use it once.
    parts = [network(x[i : i + batch_size], training=False) for i in range(0, len(x), batch_size)]
    return {name: np.concatenate([keras.ops.convert_to_numpy(part[name]) for part in parts]) for name in model.recipe.tasks}
