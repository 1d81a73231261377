"""All configurations of a study from several seeds, in one record next to what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_keras.comparison import Approach, Comparison, check_approaches, run_approaches
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, check_count, check_unique
from mtl_keras.runs import Options, Trainer
from mtl_keras.search._configuration import Configuration
from mtl_keras.search._load_study import find_study
from mtl_keras.search._prepare import choose_folder, complete_from
from mtl_keras.search._resolve import Resolved, merge_changes, resolve, resolve_settings, with_quick
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study
from mtl_keras.search._training_data import check_trainings, split_config, training_data

__all__ = ["reproduce", "reproduce_study"]


def reproduce(
    study: str | Path | Study,
    *,
    configurations: Sequence[str] = (),
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Comparison:
    """Train every configuration of a study from several seeds, as `mtl-keras reproduce` does.

    Args:
        study: A name that `mtl-keras studies` lists, the path of a study file, or a `Study`.
        configurations: Names of the configurations to run; none (default) runs all.
        seeds: Number of trainings of each, at least 2; None (default) is each configuration's own, or the number of folds, or
            the study's `n_final_seeds`. A configuration with fewer seeds of its own is not trained more often. With folds at
            most as many, or a multiple.
        changes: Settings, by name; the same as passing them by keyword.
        **arguments: The fields of `mtl_keras.runs.Options`: `data_dir`, `output_dir`, `cache_dir`, `resume`, `quick`,
            `strategy` and `reporter`. All others are settings of the study.

    Returns:
        The comparison. Everything in it is in its folder too.

    Raises:
        MTLError: If an input is refused, which is checked before any long work, or losses do not stay finite.

    Example:
        result = mtl.reproduce("landmarks", data_dir="data", seeds=10)
    """
    options, given = Options.split(arguments)
    changes = merge_changes(changes, given)
    return reproduce_study(find_study(study), changes, options, configurations=configurations, seeds=seeds)


def reproduce_study(
    study: Study,
    changes: Mapping[str, Any] | None = None,
    options: Options | None = None,
    *,
    configurations: Sequence[str] = (),
    seeds: int | None = None,
) -> Comparison:
    """Train every configuration of a study from several seeds and evaluate the test split once; see `reproduce`.

    Args:
        study: The study.
        changes: Settings, for all configurations.
        options: Where to read and write, and how to execute it.
        configurations: As for `reproduce`.
        seeds: As for `reproduce`.

    Returns:
        The comparison. Everything in it is in its folder too.

    Raises:
        MTLError: As `reproduce`.
    """
    options = options or Options()
    changes = with_quick(study, changes, options)
    if not study.configurations:
        raise MTLError(f"`reproduce` must have configurations to run. Received: {study.name!r}, which names none. Use tune.")
    if seeds is not None:
        seeds = check_count("seeds", seeds, minimum=2, of="a reproduction, which estimates a spread,", example=3)
    check_unique("configuration", configurations)
    names = list(configurations or study.configurations)
    for name in names:
        study.configuration(name)
    asked = changes.get("n_final_seeds") if seeds is None else seeds
    settings = {name: resolve_settings(study, changes, configuration=name)[0] for name in names}
    counts = {name: _count_seeds(study.configuration(name), own, asked) for name, own in settings.items()}
    _check_folds(study, settings, counts)
    load = training_data(study, options)
    if study.needs_data:
        options.reporter.on_stage("Loading data")
        study = complete_from(study, load(settings[names[0]])(0))
    resolved = {name: resolve(study, changes, configuration=name) for name in names}
    folder = choose_folder(study, "reproduce", options)
    config = _config(study, resolved, counts)
    folder.check(config)
    seed = changes.get("seed", study.settings.seed)
    trainer = Trainer.open(seed, options)
    options.reporter.on_stage("Loading data")
    approaches = _approaches(study, resolved, counts, load)
    # The data of other splits is compared when a training on them is continued.
    digests = {}
    for each in approaches:
        folder.check_data(each.data(0), each.name)
        digests[each.name] = each.data(0).digests()
    options.reporter.on_stage("Building the models")
    check_approaches(trainer, approaches)
    published = tuple({"note": "", "run": name, **row} for name in names for row in study.configuration(name).published)
    with folder.open({**config, "data": digests}, f"mtl.reproduce({study.name!r})") as run:
        options.reporter.on_stage(f"Reproducing {', '.join(names)} in {run.path}")
        results = run_approaches(trainer, run.path, run.path / "jobs", approaches, seed=seed, what={"command": "reproduce"})
        if trainer.trainings or not run.has_record:
            # Claims are about all configurations, and not about their quick versions.
            judge = not options.quick and set(names) == set(study.configurations)
            run.deliver(
                results.model,
                approaches[0].data(0).class_names,
                lambda record: study.complete(record, judge=judge),
                title=f"{study.name}: {len(names)} configuration{'' if len(names) == 1 else 's'}",
                question=study.summary,
                **results.content,
                trainings=trainer.trainings,
                published=published,
                summaries={name: study.configuration(name).summary for name in names},
            )
    return Comparison(run.path, results, published, config["split_per_seed"])


def _config(study: Study, resolved: Mapping[str, Resolved], counts: Mapping[str, int]) -> dict[str, Any]:
    """Return what the folder stores, as plain JSON values."""
    return {
        "command": "reproduce",
        "study": study.name,
        "source": study.source,
        "source_digest": study.source_digest,
        "tasks": study.tasks.config(),
        **split_config(study, next(iter(resolved.values())).settings),
        "configurations": {
            name: {"settings": each.settings.config(), "seeds": counts[name], **each.plan.config()}
            for name, each in resolved.items()
        },
    }


def _count_seeds(configuration: Configuration, settings: Settings, asked: int | None) -> int:
    """Return how often a configuration is trained."""
    own = configuration.seeds
    if asked is None or own is None:
        return asked or own or settings.split_folds or settings.n_final_seeds
    return min(own, asked)


def _check_folds(study: Study, settings: Mapping[str, Settings], counts: Mapping[str, int]) -> None:
    """Refuse configurations of different numbers of folds, and what cannot be divided into them."""
    first = next(iter(settings))
    for name, own in settings.items():
        if own.split_folds != settings[first].split_folds:
            raise MTLError(
                f"All configurations of a reproduction must have the same folds. Received: {settings[first].split_folds} of "
                f"{first!r} and {own.split_folds} of {name!r}. Pass --folds for all."
            )
        if own.split_folds is not None:
            study.check_folds(own.split_folds)
        check_trainings(own, counts[name])


def _approaches(
    study: Study,
    resolved: Mapping[str, Resolved],
    counts: Mapping[str, int],
    load: Callable[[Settings], Callable[[int], Data]],
) -> list[Approach]:
    """Return an approach for each configuration."""
    return [
        Approach(
            name,
            each.plan,
            range(counts[name]),
            load(each.settings),
            study.configuration(name).baselines,
            # A single task has no other data set to alternate with.
            load(each.settings.change({"sampling": None, "steps": None})),
        )
        for name, each in resolved.items()
    ]
