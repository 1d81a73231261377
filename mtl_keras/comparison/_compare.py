"""`compare`: ways of training one network, from the same seeds, beside its single-task baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mtl_keras.comparison._folder import check_config, choose_folder, lock, write_config
from mtl_keras.comparison._jobs import SINGLE, Approach, Figures, run_approaches
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._reporter import Reporter
from mtl_keras.comparison._trainer import Trainer
from mtl_keras.comparison._work_log import work_log
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, describe, unknown
from mtl_keras.evaluation import Evaluation
from mtl_keras.model import MultiTaskModel, Recipe
from mtl_keras.report import (
    Difference,
    Record,
    approaches_table,
    difference,
    plot_approaches,
    plot_history,
    read_record,
    write_record,
)
from mtl_keras.saving import MODEL
from mtl_keras.tasks import Tasks
from mtl_keras.training import Phase, check

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Comparison", "check_approaches", "compare", "deliver"]

#: Labels that results have other uses for, besides every one with the word `single-task`.
TAKEN = ("trivial", "all")


@dataclass(frozen=True, eq=False)
class Comparison:
    """A finished comparison.

    Attributes:
        output_dir: Its folder, a record of its own.
        figures: What the trainings gave.
        published: Published figures to lay beside, rows of `run`, `task`, `metric`, `value` and `note`.
    """

    output_dir: Path
    figures: Figures
    published: Sequence[Mapping[str, Any]] = ()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """Rows of `metrics.csv`."""
        return self.figures.metrics

    @property
    def history(self) -> list[dict[str, Any]]:
        """Rows of `history.csv`."""
        return self.figures.history

    @property
    def best(self) -> str:
        """Name of the approach with the highest mean skill on validation, over the tasks that most of them have."""
        return self.figures.approach

    @property
    def model(self) -> MultiTaskModel:
        """Of the trainings of the best approach the model that is best on validation."""
        return self.figures.model

    @property
    def evaluation(self) -> Evaluation:
        """That model's evaluation on validation."""
        return self.figures.evaluation

    @property
    def split(self) -> str:
        """`"test"` if the data has that split, else `"validation"`."""
        return "test" if any(row["split"] == "test" for row in self.metrics) else "validation"

    @property
    def record(self) -> Record:
        """The record in `output_dir`, as `report.read_record` reads it."""
        return read_record(self.output_dir)

    def difference(self, one: str, other: str, task: str | Sequence[str], metric: str | None = None) -> Difference:
        """Return one approach minus another at the best epoch, paired by seed.

        Args:
            one: Label of the approach in question.
            other: Label of the approach that it is compared with; may be `"single-task"`.
            task: A task, or `"all"`; of several the mean of their differences is taken for each seed.
            metric: None (default) is the task's own metric, for `"all"` the skill.

        Returns:
            A `report.Difference`, with `points`, `verdict`, `mean`, `interval` and `p`.

        Raises:
            MTLError: If they share no seed.
        """
        return difference(self.metrics, one, other, task, metric, self.split)

    def table(self, split: str | None = None) -> pd.DataFrame:
        """Return a row for each approach, task and metric: best and last epoch, gain over the baseline, paired test."""
        return approaches_table(self.metrics, split or self.split, published=self.published)

    def plot(self, what: str | None = None) -> Figure:
        """Draw the approaches against each other.

        Args:
            what: `"task/metric"` draws that figure; `"history"` all curves; None (default) each task's own metric.

        Raises:
            MTLError: If there is no such task or metric.
        """
        if what == "history":
            return plot_history(self.history, units={row["metric"]: row["unit"] for row in self.metrics})
        if what is None:
            return plot_approaches(self.metrics, self.split, published=self.published)
        known = sorted({f"{row['task']}/{row['metric']}" for row in self.metrics})
        if what not in known:
            raise unknown("figure to plot", what, [*known, "history"])
        told = [row for row in self.published if f"{row['task']}/{row['metric']}" == what]
        return plot_approaches(self.metrics, self.split, metrics=dict([what.split("/")]), published=told)

    def save(self, folder: str | Path) -> None:
        """Copy the record, which lies in `output_dir`, to another folder.

        Raises:
            MTLError: If that one exists and is not empty.
        """
        import shutil

        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise MTLError(f"A record is never replaced. Received: {folder}, which is not empty. Name another folder.")
        ignored = shutil.ignore_patterns("logs", "jobs", "*.keras", "*.h5", "tasks.json", ".lock")
        shutil.copytree(self.output_dir, folder, ignore=ignored, dirs_exist_ok=True)


def compare(
    recipe: Recipe | Mapping[str, Plan],
    data: Data,
    approaches: Mapping[str, Phase | Sequence[Phase]] | None = None,
    *,
    seeds: int = 5,
    baseline: Literal["single-task"] | Sequence[str] | None = "single-task",
    seed: int = 0,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> Comparison:
    """Train several approaches from several seeds, beside single-task baselines, and look at the test split once.

    All approaches get the same seeds, so that differences are paired. A baseline is the same network and training for one task
    alone. Epochs are chosen on validation; whatever is said about the test split comes from one look, which is logged.

    Args:
        recipe: The network of all approaches, e.g. `model.recipe`; or a `Plan` for each approach, by its name.
        data: What it is trained on.
        approaches: A phase, or several, by name. Left out where `recipe` holds plans.
        seeds: Trainings of each approach and baseline, at least 2; below 5 differences are called indicative.
        baseline: `"single-task"` (default) trains the baselines too, None does not; names of tasks, those of these tasks alone.
        seed: Every training's seed follows from it.
        output_dir: A new or empty folder; None (default) makes `runs/compare/<n>`. It becomes a record.
        cache_dir: Folder of the feature cache.
        resume: Go on in `output_dir`, or in the newest comparison.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Hears of the progress.

    Returns:
        The comparison; everything in it is in its folder too.

    Raises:
        MTLError: If there are fewer than 2 seeds, no approach, a name that results use already, or an approach does not fit
            model or data, all seen before any work.

    Example:
        >>> import mtl_keras as mtl, tempfile
        >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
        >>> data = mtl.data.load("digits", tasks)
        >>> model = mtl.build_model(tasks, "SmallCNN", image_shape=data.image_shape, shared=(16,))
        >>> ways = {word: mtl.Phase(epochs=1, weighting=word) for word in ("equal", "uncertainty")}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = mtl.compare(model.recipe, data, ways, seeds=2, output_dir=folder)
        >>> sorted({row["run"] for row in report.metrics})
        ['equal', 'single-task', 'trivial', 'uncertainty']

    Reference:
        S. Vandenhende et al., Multi-task learning for dense prediction tasks: a survey, TPAMI 2021 (delta_m).
    """
    began = time.perf_counter()
    if type(seeds) is not int or seeds < 2:
        raise MTLError(f"A spread needs at least 2 seeds. Received: seeds={seeds!r}. Give e.g. seeds=5.")
    plans = _plans(recipe, approaches)

    def given(_: int) -> Data:
        return data

    # One function for all: baselines on the same data are the same.
    made = [
        Approach(name, plan, range(seeds), given, baselines=_baselines(baseline, plan.recipe.tasks, data.tasks))
        for name, plan in plans.items()
    ]
    folder = choose_folder("compare", output_dir, resume, "compare")
    config = {
        "command": "compare",
        "study": data.name,
        "rows": [len(data.train), len(data.validation)],
        "seeds": seeds,
        "seed": seed,
        "baseline": baseline if baseline is None or isinstance(baseline, str) else list(baseline),
        "approaches": {name: plan.config() for name, plan in plans.items()},
    }
    check_config(folder, config)
    trainer = Trainer.open(seed, cache_dir=cache_dir, strategy_name=strategy, reporter=reporter or Reporter())
    check_approaches(trainer, made)
    with lock(folder):
        write_config(folder, config)
        with work_log(folder, "mtl.compare(...)", began) as log:
            trainer.reporter.stage(f"Comparing {', '.join(plans)} over {seeds} seeds in {folder}")
            figures = run_approaches(trainer, folder, folder / "jobs", made, seed=seed, what={"command": "compare"})
            if trainer.trainings or not (folder / "README.md").exists():
                question = f"What do {', '.join(plans)} reach on {data.name} from the same seeds?"
                title = f"{data.name}: {len(plans)} approach{'' if len(plans) == 1 else 'es'} compared"
                deliver(folder, figures, data.class_names, title, question, config, log.environment())
            else:
                log.forget()
    return Comparison(folder, figures)


def check_approaches(trainer: Trainer, approaches: Sequence[Approach]) -> None:
    """Refuse what a comparison would refuse, before any training.

    Args:
        trainer: Where it would run.
        approaches: What would be compared.

    Raises:
        MTLError: If there is no approach or a name that results use, or one or its baseline does not fit its data.
    """
    if not approaches:
        raise MTLError("A comparison has at least one approach. Received: none. Give e.g. {'equal': mtl.Phase(epochs=10)}.")
    for each in approaches:
        if each.name in TAKEN or SINGLE in each.name or not each.name or "/" in each.name:
            raise MTLError(
                f"Results use the name otherwise. Received: an approach called {each.name!r}. Choose another name, without "
                f"'/' and {SINGLE!r}."
            )
        data = each.data(each.seeds[0])
        own = each.plan.recipe.tasks
        for name in own:
            if name not in data.tasks:
                raise unknown(f"task of approach {each.name!r} in the data", name, data.tasks)
        check(trainer.model(each.plan), each.plan.rows(data), each.plan.phases)
        if not isinstance(each.baselines, bool):
            for name in each.baselines:
                if name not in own:
                    raise unknown(f"task of approach {each.name!r} to be trained alone", name, own)
        for name in each.baseline_tasks:
            baseline, _ = each.baseline(name)
            if not baseline.phases:
                raise MTLError(
                    f"A baseline is trained as its task is. Received: approach {each.name!r}, of which no phase trains {name!r}. "
                    "Add such a phase, leave the task out of its recipe, or have no baselines (baseline=None)."
                )
            if any(phase.freeze for phase in baseline.phases):
                # What is frozen may be a layer that only another task's head has.
                check(trainer.model(baseline), baseline.rows(data), baseline.phases)


def deliver(
    folder: Path,
    figures: Figures,
    class_names: Mapping[str, Sequence[str]],
    title: str,
    question: str,
    config: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    complete: Callable[[Record], Record] = lambda record: record,
    **more: Any,
) -> None:
    """Write the chosen model and the record.

    Args:
        folder: Where to.
        figures: Of `run_approaches`.
        class_names: By task; those of tasks that the chosen model does not have are left out.
        title: Heading of the page.
        question: What it answers.
        config: Resolved settings.
        about: The environment.
        complete: Adds to the record, e.g. what a study knows of it.
        **more: Further arguments of `Record`.
    """
    own = figures.model.recipe.tasks
    figures.model.class_names = {task: tuple(names) for task, names in class_names.items() if task in own}
    figures.model.save(folder / MODEL)
    note = (
        f"The delivered model is that of {figures.approach}, seed {figures.seed}: the approach with the highest mean skill on "
        "validation over the tasks that most approaches have, and its best seed there."
    )
    record = Record(
        title=title,
        question=question,
        command=about["command"],
        config=config,
        environment=about,
        metrics=figures.metrics,
        history=figures.history,
        evaluation=figures.evaluation,
        notes=[note],
        **more,
    )
    write_record(folder, complete(record))


def _baselines(baseline: str | Sequence[str] | None, own: Tasks, known: Tasks) -> bool | tuple[str, ...]:
    """Return which tasks of an approach are trained alone as well.

    Raises:
        MTLError: If a task is named that the data does not have.
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
        approaches = {} if approaches is None else approaches
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
