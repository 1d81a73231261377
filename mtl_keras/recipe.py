"""The architecture of a multi-task model, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mtl_keras import backbones, sharing
from mtl_keras import heads as head_kinds
from mtl_keras import tasks as task_kinds
from mtl_keras.backbones import Backbone, Joined
from mtl_keras.errors import MTLError, check_mapping, check_names, check_text, describe, store, unknown
from mtl_keras.heads import Decoder, Head
from mtl_keras.sharing import DenseStack
from mtl_keras.tasks import Tasks

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """The architecture of a multi-task model: a frozen value that can be written as JSON.

    Args:
        tasks: The tasks.
        backbone: The trunk; a name stands for a `Backbone` with default options. For several inputs, a mapping of a trunk for
            each by name, whose features are concatenated, or a `mtl_keras.backbones.Joined`.
        image_shape: Height, width and channels of one input, e.g. `data.image_shape`; must be given. Of several inputs, the
            shape of each by name.
        shared: The layers between trunk and heads: a `Sharing`, the units of a dense stack, e.g. `(256,)`, a `Head`, which
            stands for a dense stack with its options, or a name or `{"method": name, option: value}`. Default `()`: the
            trunk alone is shared.
        heads: By task, a `Head`, the units of its dense layers, or for a task that reconstructs its input a `Decoder`. A
            task that is left out has its output layer alone.
        freeze: True freezes the whole backbone, False (default) nothing. The name or prefix of a layer or block of the
            backbone freezes every layer before it. For several inputs, a mapping says it for some of them: `{"photo": True}`.
        stack: For some tasks, the task whose output probabilities are additional features of their heads. No gradient flows
            back through them, and training uses out-of-fold predictions; see `Phase`.
        batch_norm_groups: Groups of tasks, one for each alternated data set, `data.task_groups`. Each group has its own
            moving statistics of batch normalization (`mtl_keras.normalization`); inference runs the trunk once per group.
            Default `()`, or a single group: ordinary batch normalization.

    Raises:
        MTLError: If the backbone does not accept the image shape, if a head or the shared layers do not fit the tasks or the
            backbone, if `stack` is circular, or if `batch_norm_groups` do not partition the tasks or the backbone's batch
            normalization is not trained.

    Example:
        >>> import mtl_keras as mtl
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> recipe = mtl.Recipe(tasks, "SmallCNN", (8, 8, 1), shared=(64,))
        >>> mtl.build_model(recipe.only("parity")).output_names
        ['parity']
    """

    tasks: Tasks
    backbone: Any  # a `Backbone` or `Joined`, once converted
    image_shape: Any = (None, None, 3)  # a tuple, or of several inputs tuples by name
    shared: Any = ()  # a `Sharing`, once converted
    heads: Mapping[str, Head | Decoder] = field(default_factory=dict)
    freeze: Any = False  # True, False or a text, or of several inputs these by name
    stack: Mapping[str, str] = field(default_factory=dict)
    batch_norm_groups: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        self._convert()
        self.backbone.check(self.image_shape, files=False)
        reconstructed = [name for name, task in self.tasks.items() if task.from_input]
        self._check_inputs(reconstructed)
        head_kinds.check(self.heads, self.backbone.pooling, reconstructed, self.target_shape)
        self.shared.check(self.backbone.pooling, self.sharing_tasks)
        task_kinds.order_by_source(self.tasks, self.stack)
        if self.batch_norm_groups:
            _check_groups(self.batch_norm_groups, self.tasks, self.stack, self.backbone, self.freeze)
            if len(self.batch_norm_groups) == 1:
                object.__setattr__(self, "batch_norm_groups", ())

    def _convert(self) -> None:
        """Replace short forms of the arguments by values, and check their types."""
        object.__setattr__(self, "tasks", task_kinds.get(self.tasks))
        self.tasks.check_resolved()
        first = next(iter(self.tasks))
        heads = check_mapping("heads", self.heads, example=f"{{{first!r}: ...}}")
        stack = check_mapping("stack", self.stack, example=f"{{{first!r}: ...}}")
        for name, source in stack.items():
            check_text(f"stack[{name!r}]", source, example=first)
        backbone = backbones.get(self.backbone)
        shape = self.image_shape
        if isinstance(shape, Mapping) and len(shape) == 1:
            (shape,) = shape.values()
        if isinstance(shape, Mapping) and isinstance(backbone, Backbone):
            each = ", ".join(f"{name!r}: ..." for name in shape)
            raise MTLError(
                f"A model of several inputs must have a backbone for each. Received: {backbone.name} for the inputs "
                f"{', '.join(map(str, shape))} of `image_shape`. Pass backbone={{{each}}}."
            )
        for each in shape.values() if isinstance(shape, Mapping) else [shape]:
            if not isinstance(each, Sequence) or isinstance(each, str | bytes):
                raise MTLError(
                    f"`image_shape` must be (height, width, channels). Received: image_shape={describe(each)}. "
                    "Pass image_shape=data.image_shape."
                )
            if None in each:
                raise MTLError(
                    f"`image_shape` must be fully specified. Received: {tuple(each)}. Pass image_shape=data.image_shape."
                )
        if isinstance(self.shared, Decoder):
            raise MTLError(
                f"`shared` must be a sharing method or the units of a dense stack. Received: {describe(self.shared)}. Pass the "
                "decoder as the head of its task, heads={name: mtl.Decoder(...)}."
            )
        for name in heads:
            if name not in self.tasks:
                raise unknown("task in heads", name, self.tasks)
        converted: dict[str, Any] = {
            "backbone": backbone,
            "image_shape": {name: _as_integers(each) for name, each in shape.items()}
            if isinstance(shape, Mapping)
            else _as_integers(shape),
            "freeze": _read_freeze(self.freeze, backbone),
            "shared": DenseStack(**vars(self.shared)) if isinstance(self.shared, Head) else sharing.get(self.shared),
            "heads": {name: head_kinds.get(heads.get(name, ())) for name in self.tasks},
            "stack": stack,
            "batch_norm_groups": _as_groups(self.batch_norm_groups),
        }
        store(self, **converted)

    @property
    def sharing_tasks(self) -> tuple[str, ...]:
        """Names of the tasks whose heads take the shared features, rather than those of the backbone."""
        return tuple(name for name, head in self.heads.items() if head.pooling is None)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, if there are several; else empty."""
        return tuple(self.image_shape) if isinstance(self.image_shape, Mapping) else ()

    @property
    def target_shape(self) -> tuple[int, ...]:
        """The shape of the input that a task may reconstruct: the only one, or of several the one of images; else empty."""
        if not self.inputs:
            return self.image_shape
        images = [shape for shape in self.image_shape.values() if len(shape) == 3]
        return images[0] if len(images) == 1 else ()

    def _check_inputs(self, reconstructed: Sequence[str]) -> None:
        """Refuse what models of several inputs cannot have."""
        if not self.inputs:
            return
        for name in self.inputs:
            if name in self.tasks:
                raise MTLError(
                    f"An input must not be called like a task. Received: {name!r} as both. Rename one of them; `label=` still "
                    "names the column that a task reads."
                )
        if self.batch_norm_groups:
            raise MTLError(
                "`batch_norm_groups` must be used with one input. Received: the inputs "
                f"{', '.join(self.inputs)}. Leave `batch_norm_groups` out."
            )
        if reconstructed and not self.target_shape:
            raise MTLError(
                "A model of several inputs must have images in exactly one of them to reconstruct it. Received: "
                f"{self.image_shape} for task {reconstructed[0]!r}. Leave the task out."
            )

    def trunk_config(self) -> dict[str, Any]:
        """Return, as plain JSON values, what determines the layers of the trunk besides their weights."""
        groups = len(self.batch_norm_groups)
        return {
            "backbone": self.backbone.without_weights().config(),
            "image_shape": self.shape_config(),
            "batch_norm_groups": groups,
        }

    def shape_config(self) -> Any:
        """Return `image_shape` as plain JSON values."""
        if self.inputs:
            return {name: list(shape) for name, shape in self.image_shape.items()}
        return list(self.image_shape)

    def only(self, *names: str) -> Recipe:
        """Return the recipe of a model with these tasks alone; with one name, a single-task baseline."""
        kept = self.tasks.only(*names)
        groups = [tuple(name for name in group if name in kept) for group in self.batch_norm_groups]
        return replace(
            self,
            tasks=kept,
            heads={name: self.heads[name] for name in kept},
            stack={name: source for name, source in self.stack.items() if name in kept and source in kept},
            batch_norm_groups=tuple(group for group in groups if group),
        )

    def config(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        groups = [list(group) for group in self.batch_norm_groups]
        return {
            "tasks": self.tasks.config(),
            "backbone": self.backbone.config(),
            "image_shape": self.shape_config(),
            "shared": self.shared.config(),
            "heads": {name: head_kinds.config(head) for name, head in self.heads.items()},
            "freeze": dict(self.freeze) if isinstance(self.freeze, Mapping) else self.freeze,
            "stack": self.stack,
            **({"batch_norm_groups": groups} if groups else {}),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from `config()`, also from that of an earlier version."""
        return cls(
            tasks=task_kinds.from_config(config["tasks"]),
            backbone=backbones.from_config(config["backbone"]),
            image_shape=config["image_shape"],
            shared=sharing.from_config(config["shared"]),
            heads={name: head_kinds.from_config(head) for name, head in config["heads"].items()},
            freeze=config["freeze"],
            stack=config.get("stack", {}),
            # Called `statistics` by earlier versions.
            batch_norm_groups=config.get("batch_norm_groups", config.get("statistics", ())),
        )


def _read_freeze(freeze: Any, backbone: Backbone | Joined) -> Any:
    """Return what is frozen, of several inputs by name unless all or nothing is."""
    several = isinstance(backbone, Joined)
    if not isinstance(freeze, Mapping):
        if not isinstance(freeze, bool | str) or freeze == "":
            raise MTLError(
                f"`freeze` must be True, False, or the name of a layer or block. Received: freeze={describe(freeze)}. "
                "Pass e.g. freeze=True."
            )
        if several and isinstance(freeze, str):
            raise MTLError(
                f"`freeze` of several inputs must be True, False, or a mapping by input. Received: freeze={freeze!r}. Pass "
                f"freeze={{{next(iter(backbone.trunks))!r}: {freeze!r}}}."
            )
        return freeze
    if not several:
        if len(freeze) == 1:
            return _read_freeze(next(iter(freeze.values())), backbone)
        raise MTLError(
            f"`freeze` must be a mapping for several inputs only. Received: freeze={describe(freeze)}. Pass e.g. freeze=True."
        )
    for name in freeze:
        if name not in backbone.trunks:
            raise unknown("input in freeze", name, backbone.trunks)
    alone = {name: _read_freeze(freeze.get(name, False), trunk) for name, trunk in backbone.trunks.items()}
    values = set(alone.values())
    return values.pop() if len(values) == 1 and values <= {True, False} else alone


def _as_integers(image_shape: Sequence[Any]) -> tuple[Any, ...]:
    """Return an image shape with NumPy's integers as Python's; `Backbone.check` refuses what is none."""
    return tuple(side.item() if isinstance(side, np.integer) else side for side in image_shape)


def _as_groups(groups: Any) -> tuple[tuple[str, ...], ...]:
    """Return groups of task names as tuples, checked."""
    if not isinstance(groups, Sequence) or isinstance(groups, str | bytes):
        raise MTLError(
            f"`batch_norm_groups` must hold groups of task names. Received: batch_norm_groups={describe(groups)}. Pass "
            "batch_norm_groups=data.task_groups of alternated data."
        )
    return tuple(check_names("batch_norm_groups", group) for group in groups)


def _check_groups(
    groups: Sequence[Sequence[str]], tasks: Tasks, stack: Mapping[str, str], backbone: Any, freeze: bool | str
) -> None:
    """Raise an error if groups do not partition the tasks, or if no batch normalization is trained.

    Args:
        groups: Names of tasks.
        tasks: All tasks of the model.
        stack: For some tasks, the task whose output their heads take.
        backbone: The trunk.
        freeze: Whether all of it is frozen, or up to which layer.
    """
    named = [name for group in groups for name in group]
    for name in named:
        if name not in tasks:
            raise unknown("task in batch_norm_groups", name, tasks)
    if sorted(named) != sorted(tasks) or not all(groups):
        raise MTLError(
            f"`batch_norm_groups` must hold each task in exactly one group. Received: {[list(group) for group in groups]} for "
            f"{', '.join(tasks)}. Pass batch_norm_groups=data.task_groups of alternated data."
        )
    index = {name: number for number, group in enumerate(groups) for name in group}
    for name in tasks:
        for source in (tasks[name].source, stack.get(name)):
            if source is not None and index[source] != index[name]:
                raise MTLError(
                    f"A task must be in the same one of `batch_norm_groups` as the task whose output it takes. Received: "
                    f"{name!r}, which takes that of {source!r} of another group. Put them into one group, or leave "
                    "`batch_norm_groups` out."
                )
    inference = backbone.resolve().batch_norm == "inference"
    if inference or freeze is True:
        received = f"batch_norm={backbone.batch_norm!r}, weights={backbone.weights!r}" if inference else "freeze=True"
        raise MTLError(
            f"`batch_norm_groups` must be used with trained batch normalization. Received: {received}. Give the backbone "
            "batch_norm='train' and freeze=False, or leave `batch_norm_groups` out."
        )
