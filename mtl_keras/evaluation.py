"""Metrics of a model on one split, computed from its predictions."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from mtl_keras.data import Data, Split, label_weights, trivial_scores
from mtl_keras.errors import MTLError, unknown
from mtl_keras.model import MultiTaskModel
from mtl_keras.prediction import predict
from mtl_keras.tables import describe_difference
from mtl_keras.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "Score", "evaluate"]

logger = logging.getLogger("mtl_keras")

#: Number of pairs of image and reconstruction that an evaluation keeps.
EXAMPLES = 16
#: Number of tasks that a printed evaluation shows.
SHOWN = 20


@dataclass(frozen=True)
class Score:
    """One metric of one task on one split.

    Attributes:
        task: Name of the task.
        metric: Name of the metric; `"weighted accuracy"` is the accuracy where rows count by their weights and those of their
            classes.
        value: Its value.
        n: Number of labeled rows that it was computed from.
        unit: Unit in words.
        direction: `"max"` if higher is better, else `"min"`.
        trivial: The same metric for the trivial predictor, which ignores the input (majority class or mean of the training
            rows).
        skill: `(value - trivial) / (perfect - trivial)` for the task's own metric, which counts each labeled row once, else
            None.
    """

    task: str
    metric: str
    value: float
    n: int
    unit: str
    direction: str
    trivial: float
    skill: float | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Results of a model on one split.

    Printed, it is a line for each task.

    Attributes:
        split: Name of the split.
        scores: Every metric of every task that has labels in the split, that of the skill first. If rows or classes have
            weights, the same metrics with them follow.
        skill: Mean over tasks of the skill of each task's own metric.
        confusion: Counts `[classes, classes]` by task, rows = true, columns = predicted.
        class_counts: By task with classes or labels, counts `[classes, 3]` of correct predictions, predictions and labels.
        class_names: Names of the classes by task, where known.
        examples: By task that reconstructs its input, up to 16 images and their reconstructions, each
            `[n, height, width, channels]` in `[0, 1]`.
    """

    split: str
    scores: tuple[Score, ...]
    skill: float
    confusion: Mapping[str, np.ndarray] = field(default_factory=dict)
    class_counts: Mapping[str, np.ndarray] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    examples: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [f"Evaluation on the {self.split} split: skill {self.skill:.4f}"]
        for task in list(self.values())[:SHOWN]:
            own = [score for score in self.scores if score.task == task]
            shown = ", ".join(f"{score.metric} {score.value:.4g} (trivial {score.trivial:.4g})" for score in own)
            lines.append(f"  {task}: {shown}, {own[0].n} rows")
        if len(self.values()) > SHOWN:
            lines.append(f"  and {len(self.values()) - SHOWN} more tasks, see `scores`")
        return "\n".join(lines)

    def confusion_table(self, task: str) -> pd.DataFrame:
        """Return the confusion matrix of a task with the names of its classes: rows are true, columns predicted classes.

        Raises:
            MTLError: If the task has no confusion matrix here.
        """
        import pandas as pd

        if task not in self.confusion:
            raise unknown("task with a confusion matrix", task, self.confusion)
        names = self._names(task, len(self.confusion[task]))
        return pd.DataFrame(self.confusion[task], pd.Index(names, name="true"), pd.Index(names, name="predicted"))

    def class_table(self, task: str) -> pd.DataFrame:
        """Return precision, recall, F1 and number of labels `n` of each class of a task, or of each label of a label set.

        A precision without any prediction of the class is NaN, as is a recall without any label of it, and an F1 without
        both.

        Raises:
            MTLError: If the task has no classes.
        """
        import pandas as pd

        if task not in self.class_counts:
            raise unknown("task with classes", task, self.class_counts)
        correct, predicted, labels = self.class_counts[task].T
        counts = {"precision": (correct, predicted), "recall": (correct, labels), "f1": (2 * correct, predicted + labels)}
        shares = {name: np.divide(hits, n, np.full(len(n), np.nan), where=n > 0) for name, (hits, n) in counts.items()}
        names = pd.Index(self._names(task, len(labels)), name="class")
        return pd.DataFrame({**shares, "n": labels}, names)

    def _names(self, task: str, classes: int) -> list[str]:
        """Return the names of the classes of a task, or their numbers."""
        return list(self.class_names.get(task) or map(str, range(classes)))

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
    """Compute every metric of a model on one split from its predictions, not from running averages.

    Args:
        model: From `build_model` or `load_model`.
        data: The split to evaluate, and the training rows, which define the trivial predictor.
        split: `"train"`, `"validation"` (default) or `"test"`. Evaluate on the test split once, for the final results.
        batch_size: Rows per batch; default 512.
        cache_dir: Where features of a frozen trunk are cached; None (default) is the user's cache folder, False caches
            nothing.

    Returns:
        Every metric with its number of rows, unit, direction and trivial value. Rows without a label do not count; a task
        without any label in the split or in the training rows is left out, which is warned about.

    Raises:
        MTLError: If the data has no such split or no label in it, or if model and data have different tasks.

    Example:
        >>> import mtl_keras as mtl
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10)))
        >>> model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
        >>> mtl.evaluate(model, data).scores[0].n
        288
    """
    tasks, rows = model.recipe.tasks, _select_split(model, data, split)
    trivial = trivial_scores(data.train, rows, tasks)
    rows = rows.first_view()
    # Features may have been computed for some splits only.
    features = data.features is not None and rows.x.shape[1:] == model.features.shape[1:]
    predictions = predict(model, rows, batch_size=batch_size, features=features, cache_dir=cache_dir)
    scores: list[Score] = []
    confusion: dict[str, np.ndarray] = {}
    class_counts: dict[str, np.ndarray] = {}
    examples: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, task in tasks.items():
        if name not in trivial:
            continue
        present = np.flatnonzero(rows.weight[name] > 0)
        stored, predicted = rows.y[name], predictions[name]
        if len(present) < len(rows):
            stored, predicted = stored[present], predicted[present]
        scores += _score(task, stored, predicted, trivial[name], label_weights(name, task, rows))
        if task.from_input:
            examples[name] = (keras.ops.convert_to_numpy(task.target(stored[:EXAMPLES])), predicted[:EXAMPLES])
        if (counts := task.confusion(stored, predicted)) is not None:
            confusion[name] = counts
        if (counts := task.class_counts(stored, predicted)) is not None:
            class_counts[name] = counts
    if not scores:
        raise MTLError(
            f"A split must have labels to be evaluated. Received: split={split!r} without a label. Pass labeled rows."
        )
    if left_out := [name for name in tasks if name not in trivial]:
        _warn_once(
            f"The evaluation of the {len(rows)} {split} rows leaves out {', '.join(left_out)}, without a label in them or in "
            f"the {len(data.train)} training rows: there is no score, and the skill is that of the other tasks. Add labels."
        )
    own = [(score.task, score) for score in scores if score.skill is not None]
    skill = tasks.mean_skill({name: score.value for name, score in own}, {name: score.trivial for name, score in own})
    names = {**model.class_names, **data.class_names}
    return Evaluation(split, tuple(scores), skill, confusion, class_counts, names, examples)


def _select_split(model: MultiTaskModel, data: Data, split: str) -> Split:
    """Return the rows to evaluate, after checking that the data has them and the tasks of the model."""
    splits: dict[str, Split | None] = {"train": data.train, "validation": data.validation, "test": data.test}
    if split not in splits:
        raise unknown("split", split, splits)
    rows = splits[split]
    if rows is None:
        raise MTLError(f"Data to evaluate must have the split. Received: split={split!r} of data without test rows.")
    tasks = model.recipe.tasks
    if set(data.tasks) != set(tasks):
        raise MTLError(
            f"Model and data must have the same tasks. Received: a model of {', '.join(tasks)} and data of "
            f"{', '.join(data.tasks)}. Use data.only(...)."
        )
    if model.encoder is not None and data.encoder is not None and model.encoder != data.encoder:
        difference = describe_difference(model.encoder.columns, data.encoder.columns)
        raise MTLError(
            f"Data to evaluate must be encoded as in training. Received: {difference}. Encode the table with model.encoder, or "
            "pass the data that the model was trained on."
        )
    tasks.check_classes(data.tasks)
    return rows


@functools.cache
def _warn_once(line: str) -> None:
    """Log a warning unless this process has logged it before: a comparison evaluates many models on the same rows."""
    logger.warning(line)


def _score(
    task: Task, stored: np.ndarray, predicted: np.ndarray, trivial: Mapping[str, float], weight: np.ndarray | None
) -> list[Score]:
    """Return every metric of one task, that of the skill first; then, if labels have weights, all of them with these."""
    values = task.score_both(stored, predicted, weight)
    scores = []
    # Tables and plots show the first one as the task's own.
    metrics = sorted(task.all_metrics, key=lambda metric: metric != task.metric)
    for metric in (*metrics, *(metric.weighted for metric in metrics if weight is not None)):
        value, base, name = values[metric.name], trivial[metric.name], metric.name
        skill = metric.skill(value, base) if metric == task.metric and not math.isnan(base) else None
        scores.append(Score(task.name, name, value, len(stored), metric.unit, metric.direction, base, skill))
        if metric == task.metric and math.isnan(base):
            _warn_once(
                f"The skill leaves out {task.name}: its {name} has no value on these {len(stored)} rows, as where all labels "
                "are of one class. Take more rows, or give the task another skill=."
            )
    return scores
