"""Approaches to one study: loss weightings and named configurations, beside the weights of a recorded search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_keras import weighting as weightings
from mtl_keras.comparison import Comparison, Plan, Reporter, compare
from mtl_keras.comparison._folder import choose_folder, saved_config
from mtl_keras.errors import MTLError, unknown
from mtl_keras.files import read_json_lines
from mtl_keras.report.statistics import trial_skills
from mtl_keras.search._session import Resolved, resolve
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study
from mtl_keras.search._trials import LOG, best_trial

__all__ = ["compare_study"]

FIXED = "fixed"


def compare_study(
    study: Study,
    approaches: Sequence[str],
    changes: Mapping[str, Any] | None = None,
    *,
    fixed_from: str | Path | None = None,
    seeds: int = 5,
    data_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    quick: bool = False,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> Comparison:
    """Compare approaches to a study from the same seeds, beside single-task baselines.

    Args:
        study: What is predicted, from what.
        approaches: Words of `mtl_keras.weighting.METHODS`, which replace how the losses of the study's default configuration
            combine; `"fixed"`, with `fixed_from`; or names of the study's configurations.
        changes: Fields of the settings, or hyperparameters to fix.
        fixed_from: Folder of a finished search of the study: its best hyperparameters are the configuration that weightings
            are compared on, and `"fixed"` are the loss weights that it found.
        seeds: Trainings of each approach and baseline, at least 2.
        data_dir: Root in which the data set is looked for.
        output_dir: A new or empty folder; None (default) makes `runs/<study>/<n>`.
        cache_dir: Folder of the feature cache.
        resume: Go on in `output_dir`, or in the newest comparison of that study.
        quick: Apply the study's quick changes first.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Hears of the progress.

    Returns:
        The comparison; everything in it is in its folder too.

    Raises:
        MTLError: If an approach is unknown or has data of its own, `fixed_from` holds no search of the study, or `compare`
            refuses its input.
    """
    changes = {**(study.quick if quick else {}), **(changes or {})}
    reporter = reporter or Reporter()
    base, plan = _base(study, changes, fixed_from)
    plans: dict[str, Plan] = {}
    settings: dict[str, Settings] = {}
    for word in approaches:
        if word == FIXED and fixed_from is not None:
            plans[word], settings[word] = plan, base.settings
        elif word in weightings.METHODS:
            phases = tuple(replace(phase, weighting=word) for phase in plan.phases)
            plans[word], settings[word] = replace(plan, phases=phases), base.settings
        elif word in study.configurations:
            named = resolve(study, changes, configuration=word)
            plans[word], settings[word] = named.plan, named.settings
        else:
            known = [*weightings.METHODS, *study.configurations, *([FIXED] if fixed_from is not None else [])]
            raise unknown("approach", word, known, "`fixed` needs the folder of a search (--fixed-from).")
    folder = choose_folder(study.name, output_dir, resume, "compare")
    _check_data(study, settings)
    reporter.stage("Loading data")
    return compare(
        plans,
        study.load(next(iter(settings.values()), base.settings), data_dir),
        seeds=seeds,
        seed=base.settings.seed,
        output_dir=folder,
        cache_dir=cache_dir,
        resume=resume,
        strategy=strategy,
        reporter=reporter,
    )


def _check_data(study: Study, settings: Mapping[str, Settings]) -> None:
    """Refuse approaches that are trained on different data."""
    for field in study.data_settings:
        values = {name: each.config()[field] for name, each in settings.items()}
        first = next(iter(values), "")
        for name, value in values.items():
            if value != values[first]:
                raise MTLError(
                    f"A comparison has one data set. Received: {field}={values[first]!r} of {first!r} and {value!r} of "
                    f"{name!r}. Give --set {field}=... for all, or use reproduce."
                )


def _base(study: Study, changes: Mapping[str, Any], fixed_from: str | Path | None) -> tuple[Resolved, Plan]:
    """Return the study as it is compared, and the plan that weightings are compared on."""
    if fixed_from is None:
        base = resolve(study, changes)
        return base, base.plan
    folder = Path(fixed_from)
    config = saved_config(folder)
    rows = read_json_lines(folder / LOG)
    if config is None or (config["command"], config["study"]) != ("tune", study.name) or not trial_skills(rows):
        raise MTLError(
            f"Fixed weights come from a search of the study. Received: {folder}, which holds no completed trial of "
            f"{study.name!r}. Name the folder of a `tune`, e.g. a record in results/."
        )
    base = resolve(study, changes, config)
    return base, base.plan_of({**best_trial(rows)["hyperparameters"], **base.fixed})
