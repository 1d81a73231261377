"""Approaches to one study: loss weightings and named configurations, next to the loss weights of a recorded search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_keras import weighting as weightings
from mtl_keras.comparison import Comparison, compare_plans
from mtl_keras.errors import MTLError, check_count, check_unique, unknown
from mtl_keras.report import read_trials
from mtl_keras.report.statistics import trial_skills
from mtl_keras.runs import Options, Plan, read_config
from mtl_keras.search._prepare import choose_folder, complete_from
from mtl_keras.search._resolve import Resolved, resolve, resolve_settings, with_quick
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study
from mtl_keras.search._training_data import check_trainings, split_config, training_data
from mtl_keras.search._trials import best_trial

__all__ = ["compare_study"]

FIXED = "fixed"
SEEDS = 5


def compare_study(
    study: Study,
    approaches: Sequence[str],
    changes: Mapping[str, Any] | None = None,
    options: Options | None = None,
    *,
    fixed_from: str | Path | None = None,
    seeds: int | None = None,
) -> Comparison:
    """Compare approaches to a study from the same seeds, together with single-task baselines.

    Args:
        study: The study.
        approaches: Names of `mtl_keras.weighting.METHODS`, which combine the losses of the study's default configuration;
            `"fixed"`, with `fixed_from`; or names of the study's configurations.
        changes: Settings, or hyperparameters to fix.
        options: Where to read and write, and how to execute it.
        fixed_from: Folder of a finished search of the study. Weightings are then compared on its best hyperparameters, and
            `"fixed"` is the loss weights that it found.
        seeds: Number of trainings of each approach and baseline, at least 2; None (default) is the number of folds, or 5. With
            folds at most as many, or a multiple.

    Returns:
        The comparison. Everything in it is in its folder too.

    Raises:
        MTLError: If an approach is unknown or has data of its own, `fixed_from` holds no search of the study, or `compare`
            refuses its input.
    """
    options = options or Options()
    changes = with_quick(study, changes, options)
    if seeds is not None:
        seeds = check_count("seeds", seeds, minimum=2, of="a comparison, which estimates a spread,", example=5)
    _check_approaches(study, approaches, changes, fixed_from is not None)
    saved = _saved_search(study, fixed_from)
    load, loaded = training_data(study, options), study.needs_data
    if loaded:
        options.reporter.on_stage("Loading data")
        study = complete_from(study, load(resolve_settings(study, changes, saved)[0])(0))
    base = resolve(study, changes, saved)
    plan = base.plan if fixed_from is None else _best_plan(base, Path(fixed_from))
    plans: dict[str, Plan] = {}
    settings: dict[str, Settings] = {}
    for name in approaches:
        if name == FIXED and fixed_from is not None:
            plans[name], settings[name] = plan, base.settings
        elif name in weightings.METHODS:
            phases = tuple(replace(phase, weighting=name) for phase in plan.phases)
            plans[name], settings[name] = replace(plan, phases=phases), base.settings
        else:
            named = resolve(study, changes, configuration=name)
            plans[name], settings[name] = named.plan, named.settings
    folder = choose_folder(study, "compare", options)
    _check_data(study, settings)
    own = next(iter(settings.values()), base.settings)
    seeds = seeds or own.split_folds or SEEDS
    check_trainings(own, seeds)
    if not loaded:
        options.reporter.on_stage("Loading data")
    splits = split_config(study, own)
    return compare_plans(folder, plans, load(own), options, seeds=seeds, seed=base.settings.seed, splits=splits)


def _check_approaches(study: Study, approaches: Sequence[str], changes: Mapping[str, Any], fixed: bool) -> None:
    """Refuse names of approaches that are unknown or repeated, and a weighting that all of them would replace."""
    check_unique("approach", approaches)
    known = [*weightings.METHODS, *study.configurations, *([FIXED] if fixed else [])]
    for name in approaches:
        if name not in known:
            raise unknown("approach", name, known, "`fixed` needs the folder of a search (--fixed-from).")
    if "weighting" in changes and not set(approaches) & set(study.configurations):
        raise MTLError(
            f"`weighting` must be left out of a comparison of weightings, each of which replaces it. Received: weighting="
            f"{changes['weighting']!r} for {', '.join(approaches)}. Name it as an approach, or as a configuration of the study."
        )


def _check_data(study: Study, settings: Mapping[str, Settings]) -> None:
    """Refuse approaches that are trained on different data."""
    for field in study.data_settings:
        values = {name: each.config()[field] for name, each in settings.items()}
        first = next(iter(values), "")
        for name, value in values.items():
            if value != values[first]:
                raise MTLError(
                    f"All approaches of a comparison must have the same data. Received: {field}={values[first]!r} of {first!r} "
                    f"and {value!r} of {name!r}. Pass --set {field}=... for all, or use reproduce."
                )


def _saved_search(study: Study, fixed_from: str | Path | None) -> dict[str, Any] | None:
    """Return the configuration of the search that fixed weights come from."""
    if fixed_from is None:
        return None
    folder = Path(fixed_from)
    config = read_config(folder)
    search = config is not None and (config["command"], config["study"]) == ("tune", study.name)
    if not search or not trial_skills(read_trials(folder)):
        raise MTLError(
            f"Fixed weights must come from a search of the study. Received: {folder}, which holds no completed trial of "
            f"{study.name!r}. Name the folder of a `tune`, e.g. a record in results/."
        )
    return config


def _best_plan(base: Resolved, folder: Path) -> Plan:
    """Return the plan of the best trial of a search."""
    best = best_trial(read_trials(folder))
    return base.plan_of({**best["hyperparameters"], **base.fixed})
