"""What is predicted.

A task is one frozen value: a name, the column its labels come from, and what its kind knows: how labels are stored and
checked, how a head ends, its loss per row, its metrics, and the trivial predictor that a result has to beat. The name is
the wiring: it is the output's key, the head layer's name, the prefix of losses and metrics and the row in results.

To add a kind, write `_my_kind.py` with a subclass of `Task` and add it to `KINDS` below; the contract tests pick it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.tasks._base import Metric, Task, Tasks
from mtl_keras.tasks._binary import Binary
from mtl_keras.tasks._classification import Classification
from mtl_keras.tasks._label_source import ClassMap, LabelSource, RandomLabels
from mtl_keras.tasks._ladder import binary_tasks, controls_of, rungs
from mtl_keras.tasks._multi_label import MultiLabel
from mtl_keras.tasks._ordinal import Ordinal
from mtl_keras.tasks._reconstruction import Reconstruction
from mtl_keras.tasks._regression import Regression
from mtl_keras.tasks._stack import in_order

__all__ = [
    "KINDS",
    "Binary",
    "ClassMap",
    "Classification",
    "RandomLabels",
    "LabelSource",
    "Metric",
    "MultiLabel",
    "Ordinal",
    "Reconstruction",
    "Regression",
    "Task",
    "Tasks",
    "binary_tasks",
    "controls_of",
    "from_config",
    "get",
    "in_order",
    "rungs",
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
        f"`tasks` must be mtl.Tasks or a sequence of tasks. Received: {describe(spec)}. "
        "Pass e.g. mtl.Tasks(mtl.Classification('digit', classes=10), mtl.Binary('parity'))."
    )


def from_config(configs: Sequence[Mapping[str, Any]]) -> Tasks:
    """Rebuild `Tasks` from what `Tasks.config()` returned.

    Raises:
        MTLError: If a kind is not among `KINDS`.
    """
    made = []
    for config in configs:
        fields = dict(config)
        kind = fields.pop("kind")
        if kind not in KINDS:
            raise unknown("task kind", kind, KINDS)
        if isinstance(fields.get("label"), Mapping):
            label = dict(fields["label"])
            fields["label"] = LABEL_SOURCES[label.pop("kind")](**label)
        made.append(KINDS[kind](**fields))
    return Tasks(*made)
