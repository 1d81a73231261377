"""All configurations that a study names, from several seeds, into one record beside what was published."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_keras.comparison import Approach, Comparison, Reporter, run_approaches
from mtl_keras.comparison._compare import check_approaches, deliver
from mtl_keras.comparison._folder import check_config, choose_folder, lock, write_config
from mtl_keras.comparison._trainer import Trainer
from mtl_keras.comparison._work_log import work_log
from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.search._session import resolve
from mtl_keras.search._settings import Settings, divided
from mtl_keras.search._study import Configuration, Study, load_study

__all__ = ["reproduce", "reproduce_study"]

#: Data sets in memory at once: those of one seed may differ by configuration.
DATA_HELD = 4


def reproduce_study(
    study: Study,
    changes: Mapping[str, Any] | None = None,
    *,
    configurations: Sequence[str] = (),
    seeds: int | None = None,
    data_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    quick: bool = False,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> Comparison:
    """Train every configuration of a study from several seeds, look at the test split once, and write the record.

    Args:
        study: Whose configurations.
        changes: Fields of the study's settings, for all of them.
        configurations: Names of those to run; none (default) runs all.
        seeds: Trainings of each, at least 2; None (default) is what each configuration says, else the study's
            `n_final_seeds`. A configuration that says less is not trained more often.
        data_dir: Root in which the data set is looked for.
        output_dir: A new or empty folder; None (default) makes `runs/<study>/<n>`.
        cache_dir: Folder of the feature cache.
        resume: Go on in `output_dir`, or in the newest reproduction of that study.
        quick: Apply the study's quick changes first.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Hears of the progress.

    Returns:
        The comparison; everything in it is in the folder too.

    Raises:
        MTLError: If an input is refused, which is seen before any long work, or losses do not stay finite.
    """
    began = time.perf_counter()
    reporter = reporter or Reporter()
    changes = {**(study.quick if quick else {}), **(changes or {})}
    if not study.configurations:
        raise MTLError(f"A reproduction runs a study's configurations. Received: {study.name!r}, which names none. Use tune.")
    if seeds is not None and seeds < 2:
        raise MTLError(f"A spread needs at least 2 seeds. Received: seeds={seeds}. Give e.g. seeds=3.")
    names = list(dict.fromkeys(configurations or study.configurations))
    resolved = {name: resolve(study, changes, configuration=name) for name in names}
    folder = choose_folder(study.name, output_dir, resume, "reproduce")
    asked = changes.get("n_final_seeds") if seeds is None else seeds
    count = {name: _seeds(study.configuration(name), each.settings, asked) for name, each in resolved.items()}
    config = {
        "command": "reproduce",
        "study": study.name,
        "source": study.source,
        "tasks": study.tasks.config(),
        "split_per_seed": study.split_per_seed,
        "configurations": {
            name: {"settings": each.settings.config(), "seeds": count[name], **each.plan.config()}
            for name, each in resolved.items()
        },
    }
    check_config(folder, config)
    seed = changes.get("seed", study.settings.seed)
    trainer = Trainer.open(seed, cache_dir=cache_dir, strategy_name=strategy, reporter=reporter)
    reporter.stage("Loading data")
    load = _loader(study, data_dir)
    approaches = [
        Approach(
            name,
            each.plan,
            range(count[name]),
            load(each.settings),
            study.configuration(name).baselines,
            # Trained alone, a task has nothing to alternate with.
            load(each.settings.changed({"sampling": None, "steps": None})),
        )
        for name, each in resolved.items()
    ]
    reporter.stage("Building the models")
    check_approaches(trainer, approaches)
    with lock(folder):
        write_config(folder, config)
        with work_log(folder, f"mtl.search.reproduce_study(mtl.load_study({study.name!r}))", began) as log:
            reporter.stage(f"Reproducing {', '.join(names)} in {folder}")
            published = [{"note": "", "run": name, **row} for name in names for row in study.configuration(name).published]
            figures = run_approaches(trainer, folder, folder / "jobs", approaches, seed=seed, what={"command": "reproduce"})
            if trainer.trainings or not (folder / "README.md").exists():
                # Claims are about all configurations, and not about their quick versions.
                whole = not quick and set(names) == set(study.configurations)
                deliver(
                    folder,
                    figures,
                    approaches[0].data(0).class_names,
                    f"{study.name}: {len(names)} configurations",
                    study.summary,
                    config,
                    log.environment(),
                    published=published,
                    complete=lambda record: study.complete(record, judge=whole),
                    summaries={name: study.configuration(name).summary for name in names},
                )
            else:
                log.forget()
    return Comparison(folder, figures, tuple(published))


def reproduce(study: str | Path | Study, **arguments: Any) -> Comparison:
    """Reproduce a study by name: what `mtl-keras reproduce` does.

    Args:
        study: A name of `mtl-keras studies`, the path of a study file, or a `Study`.
        **arguments: Those of `reproduce_study`; anything else is a change to the settings.

    Returns:
        The comparison.

    Raises:
        MTLError: As `reproduce_study`.

    Example:
        result = mtl.reproduce("landmarks", data_dir="data", seeds=10)
    """
    options, changes = divided(reproduce_study, arguments)
    return reproduce_study(study if isinstance(study, Study) else load_study(study), changes, **options)


def _seeds(configuration: Configuration, settings: Settings, asked: int | None) -> int:
    """Return how often a configuration is trained."""
    own = configuration.seeds
    if asked is None or own is None:
        return asked or own or settings.n_final_seeds
    return min(own, asked)


def _loader(study: Study, data_dir: str | Path | None) -> Callable[[Settings], Callable[[int], Data]]:
    """Return a function from settings to what gives the data of a training; equal data is loaded once.

    Settings with equal data get one and the same function, so that baselines can be seen to be equal.
    """

    @functools.lru_cache(DATA_HELD)
    def loaded(key: str) -> Data:
        settings = study.settings.changed(json.loads(key))
        return study.load(settings, data_dir)

    @functools.cache
    def of_key(key: str) -> Callable[[int], Data]:
        def data(seed: int) -> Data:
            fields = json.loads(key)
            if study.split_per_seed:
                fields["split_seed"] += seed
            return loaded(json.dumps(fields))

        return data

    names = study.data_settings
    return lambda settings: of_key(json.dumps({name: settings.config()[name] for name in names}))
