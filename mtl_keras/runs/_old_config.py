"""Names that configurations had before they were renamed: old runs and records are still read."""

from __future__ import annotations

import contextlib
from typing import Any

from mtl_keras.errors import MTLError
from mtl_keras.model import Recipe
from mtl_keras.tasks import from_config as tasks_from_config

__all__ = ["with_new_names"]

#: Old name: new name, of settings and at the top of a reproduction's configuration.
SETTINGS = {
    "executions": "seeds_per_trial",
    "final_seeds": "n_final_seeds",
    "twins": "baselines",
    "enlarge": "repeat",
    "own_statistics": "domain_batch_norm",  # of the study two_datasets
}
REPRODUCTION = {"by_split": "split_per_seed"}


def with_new_names(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a run with today's names.

    Example:
        >>> with_new_names({"command": "tune", "settings": {"twins": False, "trials": 3}})
        {'command': 'tune', 'settings': {'baselines': False, 'trials': 3}}
    """
    renamed = _part({REPRODUCTION.get(key, key): value for key, value in config.items()})
    for group in ("approaches", "configurations"):
        if isinstance(parts := renamed.get(group), dict):
            renamed[group] = {name: _part(part) for name, part in parts.items()}
    return renamed


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Return settings, tasks and recipe of a configuration as they are written today."""
    part = dict(part)
    if isinstance(settings := part.get("settings"), dict):
        part["settings"] = {SETTINGS.get(name, name): value for name, value in settings.items()}
    # What cannot be read is left as it is, and compared as such.
    with contextlib.suppress(MTLError, KeyError, TypeError):
        if "tasks" in part:
            part["tasks"] = tasks_from_config(part["tasks"]).config()
    with contextlib.suppress(MTLError, KeyError, TypeError):
        if "recipe" in part:
            part["recipe"] = Recipe.from_config(part["recipe"]).config()
    return part
