"""`compare`: several ways of training one network from the same seeds, together with its single-task baselines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mtl_keras.comparison._approach import Approach
from mtl_keras.comparison._comparison import Comparison
from mtl_keras.comparison._jobs import list_jobs
from mtl_keras.comparison._run import run_approaches
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, check_count, check_function, check_instance, check_path, check_seed, describe, unknown
from mtl_keras.model import Recipe
from mtl_keras.runs import Options, Plan, Reporter, RunFolder, Trainer
from mtl_keras.tasks import Tasks
from mtl_keras.training import Phase, check

__all__ = ["check_approaches", "compare", "compare_plans"]

Baseline = Literal["single-task"] | Sequence[str] | None


def compare(
    recipe: Recipe | Mapping[str, Plan],
    data: Data | Callable[[int], Data],
    approaches: Mapping[str, Phase | Sequence[Phase]] | None = None,
    *,
    seeds: int = 5,
    baseline: Baseline = "single-task",
    seed: int = 0,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> Comparison:
    """Train several approaches from several seeds, together with single-task baselines, and evaluate the test split once.

    All approaches get the same seeds, so that differences are paired. A baseline is the same network and training for one task
    alone. Epochs are chosen on validation. All test results come from one test evaluation, which is logged.

    Args:
        recipe: The network of all approaches, e.g. `model.recipe`; or a `Plan` for each approach, by name.
        data: The data to train on; or a function from the number of a training, from 0, to its data, such as a fold or a random
            split of its own. Intervals and tests then take into account that the splits share rows.
        approaches: A phase, or several, by name. Omit it if `recipe` holds plans.
        seeds: Number of trainings of each approach and baseline, at least 2; default 5. Below 5, differences are called
            indicative.
        baseline: `"single-task"` (default) trains a baseline of every task, None trains none; names of tasks train those.
        seed: Every training's seed is derived from it; default 0.
        output_dir: A new or empty folder; None (default) creates `runs/compare/<n>`. It becomes a record.
        cache_dir: Folder of the feature cache; None (default) is the user's cache folder.
        resume: Whether to continue in `output_dir`, or in the newest comparison.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Receives the progress.

    Returns:
        The comparison. Everything in it is in its folder too.

    Raises:
        MTLError: If there are fewer than 2 seeds, no approach, a reserved name, or an approach does not fit model or data. All
            of this is checked before any training.

    Example:
        >>> import mtl_keras as mtl, tempfile
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> data = mtl.data.load("digits", tasks)
        >>> model = mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape, shared=(16,))
        >>> weightings = {name: mtl.Phase(epochs=1, weighting=name) for name in ("equal", "uncertainty")}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = mtl.compare(model.recipe, data, weightings, seeds=2, output_dir=folder)
        >>> sorted({row["run"] for row in result.metrics})
        ['equal', 'single-task', 'trivial', 'uncertainty']

    Reference:
        S. Vandenhende et al., Multi-task learning for dense prediction tasks: a survey, TPAMI 2021 (delta_m).
    """
    options = Options(
        output_dir=output_dir, cache_dir=cache_dir, resume=resume, strategy=strategy, reporter=reporter or Reporter()
    )
    return compare_plans(
        RunFolder("compare", "compare", options),
        _plans(recipe, approaches),
        _each_training(data),
        options,
        seeds=seeds,
        baseline=baseline,
        seed=seed,
        splits={} if isinstance(data, Data) else {"split_per_seed": True},
    )


def compare_plans(
    folder: RunFolder,
    plans: Mapping[str, Plan],
    load: Callable[[int], Data],
    options: Options,
    *,
    seeds: int,
    seed: int,
    splits: Mapping[str, Any],
    baseline: Baseline = "single-task",
) -> Comparison:
    """Compare plans as `compare` does.

    Args:
        folder: The folder of the run.
        plans: By name.
        load: Returns the data of a training, given its number.
        options: Where to read and write, and how to execute it.
        seeds: As for `compare`.
        seed: As for `compare`.
        splits: What the configuration says of the splits: `split_per_seed` and `folds`, where they are not false or None.
        baseline: As for `compare`.
    """
    seeds = check_count("seeds", seeds, minimum=2, of="a comparison, which estimates a spread,", example=5)
    seed = check_seed("seed", seed)
    data = load(0)
    # One function for all: baselines on the same data are the same.
    approaches = [
        Approach(name, plan, range(seeds), load, baselines=_baselines(baseline, plan.recipe.tasks, data.tasks))
        for name, plan in plans.items()
    ]
    config = {
        "command": "compare",
        "study": data.name,
        "rows": [len(data.train), len(data.validation)],
        "seeds": seeds,
        "seed": seed,
        "baseline": baseline if baseline is None or isinstance(baseline, str) else list(baseline),
        "approaches": {name: plan.config() for name, plan in plans.items()},
        **{name: value for name, value in splits.items() if value},
    }
    folder.check(config)
    folder.check_data(data)
    trainer = Trainer.open(seed, options)
    check_approaches(trainer, approaches)
    with folder.open({**config, "data": data.digests()}, "mtl.compare(...)") as run:
        options.reporter.on_stage(f"Comparing {', '.join(plans)} over {seeds} seeds in {run.path}")
        results = run_approaches(trainer, run.path, run.path / "jobs", approaches, seed=seed, what={"command": "compare"})
        if trainer.trainings or not run.has_record:
            run.deliver(
                results.model,
                data.class_names,
                title=f"{data.name}: {len(plans)} approach{'' if len(plans) == 1 else 'es'} compared",
                question=f"What do {', '.join(plans)} reach on {data.name} from the same seeds?",
                **results.content,
                trainings=trainer.trainings,
            )
    return Comparison(run.path, results, split_per_seed=bool(splits.get("split_per_seed")))


def _each_training(data: Data | Callable[[int], Data]) -> Callable[[int], Data]:
    """Return a function from the number of a training to its data."""
    if isinstance(data, Data):
        return lambda _: data
    load = check_function("data", data, "number")
    remedy = "Return e.g. mtl.data.from_table(..., splits=mtl.data.Splits(folds=5, fold=number))."
    # What was loaded last is asked for several times.
    return functools.lru_cache(1)(lambda number: check_instance(f"data({number})", load(number), Data, remedy))


def check_approaches(trainer: Trainer, approaches: Sequence[Approach]) -> None:
    """Refuse what a comparison would refuse, before any training.

    Args:
        trainer: The trainer that would run it.
        approaches: What would be compared.

    Raises:
        MTLError: If there is no approach, a name is reserved, or an approach or its baseline does not fit its data.
    """
    if not approaches:
        raise MTLError(
            "A comparison must have at least one approach. Received: none. Give e.g. {'equal': mtl.Phase(epochs=10)}."
        )
    for each in approaches:
        data = each.data(each.seeds[0])
        own = each.plan.recipe.tasks
        for name in own:
            if name not in data.tasks:
                raise unknown(f"task of approach {each.name!r} in the data", name, data.tasks)
        plan = each.plan.for_data(data)
        check(trainer.model(plan), plan.rows(data), plan.phases)
        if not isinstance(each.baselines, bool):
            for name in each.baselines:
                if name not in own:
                    raise unknown(f"task of approach {each.name!r} to train a baseline of", name, own)
        _check_baselines(trainer, each, data)
    _check_folders(approaches)


def _check_folders(approaches: Sequence[Approach]) -> None:
    """Refuse names whose trainings would share a folder, or have one that no file system takes."""
    names: dict[str, str] = {}
    for job in list_jobs(approaches, Path()):
        check_path("name", f"final-{job.folder.name}", of=f"the folder of {describe(job.label)}")
        if names.setdefault(job.folder.name, job.label) != job.label:
            raise MTLError(
                f"The trainings of approaches must have folders of their own. Received: {names[job.folder.name]!r} and "
                f"{job.label!r}, which share {job.folder.name}. Rename an approach."
            )


def _check_baselines(trainer: Trainer, approach: Approach, data: Data) -> None:
    for name in approach.baseline_tasks:
        plan, _ = approach.baseline_plan(name)
        if not plan.phases:
            raise MTLError(
                f"A task with a baseline must be trained by a phase. Received: approach {approach.name!r}, of which no phase "
                f"trains {name!r}. Add such a phase, leave the task out of its recipe, or train no baselines (baseline=None)."
            )
        if any(phase.freeze for phase in plan.phases):
            # A frozen layer may belong to another task's head.
            plan = plan.for_data(data)
            check(trainer.model(plan), plan.rows(data), plan.phases)


def _baselines(baseline: Baseline, own: Tasks, known: Tasks) -> bool | tuple[str, ...]:
    """Return which tasks of an approach get a baseline.

    Raises:
        MTLError: If a named task is not in the data.
    """
    if baseline is None or isinstance(baseline, str):
        return baseline is not None
    for name in baseline:
        if name not in known:
            raise unknown("task in baseline", name, known)
    return tuple(name for name in own if name in baseline)


def _plans(recipe: Recipe | Mapping[str, Plan], approaches: Mapping[str, Phase | Sequence[Phase]] | None) -> dict[str, Plan]:
    """Return a plan for each approach.

    Raises:
        MTLError: If approaches are neither phases by name nor plans by name, or both are given.
    """
    if isinstance(recipe, Recipe):
        if not isinstance(approaches, Mapping):
            raise MTLError(
                f"`approaches` must be a dict of mtl.Phase, or sequences of them, by name. Received: {describe(approaches)}. "
                "Pass e.g. {'equal': mtl.Phase(epochs=10)}."
            )
        return {name: Plan(recipe, _phases(name, phases)) for name, phases in approaches.items()}
    if not isinstance(recipe, Mapping) or not all(isinstance(plan, Plan) for plan in recipe.values()):
        raise MTLError(
            f"`recipe` must be a mtl.Recipe, or a dict of mtl.Plan by name. Received: {describe(recipe)}. "
            "Pass e.g. model.recipe."
        )
    if approaches:
        raise MTLError("`approaches` must be omitted if `recipe` holds plans. Received: both. Pass a recipe with phases.")
    return dict(recipe)


def _phases(name: str, phases: Phase | Sequence[Phase]) -> tuple[Phase, ...]:
    """Return the phases of an approach."""
    values = (phases,) if isinstance(phases, Phase) or not isinstance(phases, Sequence) or isinstance(phases, str) else phases
    for phase in values:
        if not isinstance(phase, Phase):
            raise MTLError(
                f"Approach {name!r} must be a mtl.Phase or a sequence of them. Received: {describe(phase)}. "
                "Pass e.g. mtl.Phase(epochs=10)."
            )
    return tuple(values)
