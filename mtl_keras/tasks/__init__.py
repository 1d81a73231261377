"""Tasks: what a model predicts.

A task is a frozen value: a name, the column of its labels, and what its kind defines: how labels are checked and stored,
the output layer, the loss of each row, the metrics, how outputs are decoded, and the trivial predictor that skill is
measured against. The name is the key of the output, the name of the output layer, the prefix of losses and metrics in logs,
and the row in results.

To add a kind, write `_my_kind.py` with a subclass of `Task` and add it to `KINDS` below. The contract tests pick it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.tasks._base import Task
from mtl_keras.tasks._binary import Binary
from mtl_keras.tasks._binary_tasks import binary_tasks
from mtl_keras.tasks._classification import Classification
from mtl_keras.tasks._decoded import Decoded
from mtl_keras.tasks._label_source import ClassMap, LabelSource, RandomLabels
from mtl_keras.tasks._measures import Measures
from mtl_keras.tasks._metric import Metric
from mtl_keras.tasks._multi_label import MultiLabel
from mtl_keras.tasks._order import order_by_source
from mtl_keras.tasks._ordinal import Ordinal
from mtl_keras.tasks._reconstruction import Reconstruction
from mtl_keras.tasks._regression import Regression
from mtl_keras.tasks._tasks import Tasks

__all__ = [
    "KINDS",
    "Binary",
    "ClassMap",
    "Classification",
    "Decoded",
    "LabelSource",
    "Measures",
    "Metric",
    "MultiLabel",
    "Ordinal",
    "RandomLabels",
    "Reconstruction",
    "Regression",
    "Task",
    "Tasks",
    "binary_tasks",
    "from_config",
    "get",
    "order_by_source",
]

#: Every kind of task by class name.
KINDS: dict[str, type[Task]] = {
    "Classification": Classification,
    "Binary": Binary,
    "MultiLabel": MultiLabel,
    "Ordinal": Ordinal,
    "Regression": Regression,
    "Reconstruction": Reconstruction,
}

#: Every kind of label source by class name.
LABEL_SOURCES: dict[str, Callable[..., LabelSource]] = {"ClassMap": ClassMap, "RandomLabels": RandomLabels}


def get(spec: Tasks | Task | Sequence[Task]) -> Tasks:
    """Return the tasks that `spec` holds: `Tasks` as they are, one task, or a sequence of tasks.

    Raises:
        MTLError: If it is none of these.

    Example:
        >>> list(get([Binary("parity"), Classification("digit", classes=10)]))
        ['parity', 'digit']
    """
    if isinstance(spec, Tasks):
        return spec
    if isinstance(spec, Task):
        return Tasks(spec)
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return Tasks(*spec)
    raise MTLError(
        f"`tasks` must be a mtl.Tasks or a sequence of tasks. Received: {describe(spec)}. "
        "Pass e.g. mtl.Tasks(mtl.Binary('parity'))."
    )


def from_config(configs: Sequence[Mapping[str, Any]]) -> Tasks:
    """Rebuild `Tasks` from `Tasks.config()`, also from that of an earlier version.

    Raises:
        MTLError: If a kind is not among `KINDS`.
    """
    tasks = []
    for config in configs:
        fields = dict(config)
        kind = fields.pop("kind")
        if kind not in KINDS:
            raise unknown("task kind", kind, KINDS)
        if isinstance(fields.get("label"), Mapping):
            label = dict(fields["label"])
            source = label.pop("kind")
            # Called `Coin` by earlier versions.
            fields["label"] = LABEL_SOURCES["RandomLabels" if source == "Coin" else source](**label)
        tasks.append(KINDS[kind](**fields))
    return Tasks(*tasks)
