"""One configuration to train, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtl_keras.data import Data
from mtl_keras.errors import MTLError, check_instance, describe, store
from mtl_keras.model import Recipe, directions
from mtl_keras.training import Phase

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """One configuration: what to build and how to train it.

    Args:
        recipe: The network.
        phases: The phases of its training, in order.

    Example:
        >>> import mtl_keras as mtl
        >>> recipe = mtl.Recipe(mtl.Tasks(mtl.Binary("a"), mtl.Binary("b")), mtl.Backbone("SmallCNN"), (8, 8, 1))
        >>> list(mtl.Plan(recipe, (mtl.Phase(epochs=2),)).only("b").recipe.tasks)
        ['b']
    """

    recipe: Recipe
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        check_instance("recipe", self.recipe, Recipe, "Pass mtl.Recipe(...), or model.recipe.", of="a plan")
        phases = (self.phases,) if isinstance(self.phases, Phase) else self.phases
        if not isinstance(phases, Sequence) or not all(isinstance(phase, Phase) for phase in phases):
            raise MTLError(
                f"`phases` of a plan must be a sequence of mtl.Phase. Received: phases={describe(self.phases)}. Pass e.g. "
                "(mtl.Phase(epochs=10),)."
            )
        store(self, phases=tuple(phases))

    @property
    def epochs(self) -> int:
        """Maximum number of epochs, over all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def stays_frozen(self) -> bool:
        """Whether no phase trains the backbone, so that its trunk can be shared with other models."""
        return self.recipe.freeze is True and all(not p.sets_flags or "backbone" in (p.freeze or ()) for p in self.phases)

    def rows(self, data: Data) -> Data:
        """Return the data for the plan's tasks only. Data that lacks one of them is returned as it is; training refuses it."""
        own = set(self.recipe.tasks)
        return data.only(*own) if own < set(data.tasks) else data

    def for_data(self, data: Data) -> Plan:
        """Return the plan with what the training rows of the data say of the columns that the backbone takes.

        Each split of one table has its own codes, means and deviations. Other columns than those of the plan are left to the
        checks before a training.
        """
        backbone = self.recipe.backbone
        names = [[(column.name, column.kind) for column in columns] for columns in (backbone.columns, data.columns)]
        if names[0] != names[1] or backbone.columns == data.columns:
            return self
        return replace(self, recipe=replace(self.recipe, backbone=backbone.replace(columns=data.columns)))

    def only(self, task: str) -> Plan:
        """Return the single-task baseline: the same network and training for one task, where loss weights have no effect.

        Only the phases that train the task are kept. A phase that trained some of the tasks loses its `freeze`.
        """
        return Plan(self.recipe.only(task), tuple(self._phase(phase, task) for phase in self.phases if _trains(phase, task)))

    def _phase(self, phase: Phase, task: str) -> Phase:
        others = set(self.recipe.tasks) - {task}
        alone = phase.tasks is not None and set(phase.tasks) != set(self.recipe.tasks)
        freeze = None if alone or phase.freeze is None else tuple(name for name in phase.freeze if name not in others)
        own = [name for name in directions(self.recipe.tasks.only(task)) if name != "skill"]
        monitor = phase.monitor if phase.monitor.removeprefix("val_") in own else "val_skill"
        return replace(phase, weighting="equal", tasks=None, freeze=freeze, monitor=monitor)

    def config(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return {"recipe": self.recipe.config(), "phases": [phase.config() for phase in self.phases]}


def _trains(phase: Phase, task: str) -> bool:
    return phase.tasks is None or task in phase.tasks
