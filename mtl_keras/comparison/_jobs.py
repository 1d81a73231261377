"""Approaches over seeds, beside their single-task baselines: what is missing is trained, the test split is looked at once."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._seeds import FINAL, derived_seed
from mtl_keras.comparison._trainer import Trainer
from mtl_keras.data import Data
from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.files import append_json, atomic, read_json_lines, write_json
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import (
    HistoryRow,
    MetricsRow,
    Role,
    delta_m_rows,
    history_rows,
    metrics_rows,
    trivial_rows,
    with_roles,
)

__all__ = ["TEST_EVALUATIONS", "SINGLE", "Approach", "Figures", "log_test_evaluation", "run_approaches"]

TEST_EVALUATIONS = "test_evaluations.jsonl"
SINGLE = "single-task"
CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True, eq=False)
class Approach:
    """One configuration, to be trained from several seeds.

    Args:
        name: Label in results.
        plan: What to build and how to train it.
        seeds: Numbers of the trainings.
        data: The data of a training, by its number.
        baselines: Whether each task is trained alone as well; or the names of those that are.
        baseline_data: The data of a baseline's training, of which it sees the rows of its task; None (default) is `data`.
    """

    name: str
    plan: Plan
    seeds: Sequence[int]
    data: Callable[[int], Data]
    baselines: bool | Sequence[str] = True
    baseline_data: Callable[[int], Data] | None = None

    @property
    def baseline_tasks(self) -> tuple[str, ...]:
        """The tasks that are trained alone as well; none where there is but one."""
        tasks = self.plan.recipe.tasks
        if len(tasks) == 1:
            return ()
        return tuple(name for name in tasks if self.baselines is True or (self.baselines and name in self.baselines))

    def baseline(self, task: str) -> tuple[Plan, Callable[[int], Data]]:
        """Return how a task is trained alone, and on what; two baselines are the same where both are equal."""
        return self.plan.only(task), self.baseline_data or self.data


@dataclass(frozen=True, eq=False)
class Figures:
    """What the trainings gave.

    Attributes:
        metrics: Rows of `metrics.csv`.
        history: Rows of `history.csv`.
        approach: Name of the approach that is best on validation, by mean skill over the tasks that most of them have.
        seed: Number of its training that is best on validation.
        model: That training's model, at its best epoch.
        evaluation: Its evaluation on validation.
    """

    metrics: list[MetricsRow]
    history: list[HistoryRow]
    approach: str
    seed: int
    model: MultiTaskModel
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class _Job:
    """One training."""

    label: str
    seed: int
    plan: Plan
    data: Callable[[int], Data]
    folder: Path
    task: str | None = None

    def weights(self, kind: str) -> Path:
        return self.folder / f"{kind}.weights.h5"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.json"

    @property
    def role(self) -> Role:
        return "approach" if self.task is None else "single_task"

    @property
    def history_label(self) -> str:
        """Baselines of different tasks have different curves."""
        return self.label if self.task is None else f"{self.label} {self.task}"

    def rows(self) -> Data:
        """Return the data, for the tasks of the plan."""
        return self.plan.rows(self.data(self.seed))


def run_approaches(
    trainer: Trainer, folder: Path, place: Path, approaches: Sequence[Approach], *, seed: int, what: Mapping[str, Any]
) -> Figures:
    """Train what is missing of all approaches and their baselines, look at the test split once, and return all figures.

    Where the baseline of a task is the same for all approaches that have it, it is trained once, as `"single-task"`; else each
    approach has its own.

    Args:
        trainer: Where trainings run.
        folder: Of the run; `logs/` and the log of looks at the test split go there.
        place: Folder in which each training has one of its own. Trainings that lie there already are not repeated.
        approaches: What to train; names differ.
        seed: Each training's seed follows from this one and its number, whatever the approach.
        what: Says in the log of looks what was looked at; if it is there with the same trainings, there is no second look.
    """
    jobs = _jobs(approaches, place)
    metrics: list[MetricsRow] = []
    history: list[HistoryRow] = []
    # Seed by seed: each may have data of its own, and whoever looks in between sees every approach.
    for number, job in enumerate(sorted(jobs, key=lambda job: job.seed), start=1):
        if not job.summary.exists():
            _train(trainer, folder, job, seed, number, len(jobs))
    for job in jobs:
        summary = json.loads(job.summary.read_text(encoding="utf-8"))
        metrics += with_roles(summary["metrics"])
        history += with_roles(summary["history"])
    metrics = _trivial_once(metrics + _test_rows(trainer, folder, jobs, what))
    own = [job for job in jobs if job.task is None]
    common = _judged_by([frozenset(approach.plan.recipe.tasks) for approach in approaches])
    skills: dict[str, dict[_Job, float]] = {}
    for job in own:
        if common <= set(job.plan.recipe.tasks):
            skills.setdefault(job.label, {})[job] = _validation_skill(job, common)
    best = max(skills, key=lambda name: float(np.mean(list(skills[name].values()))))
    chosen = max(skills[best], key=lambda job: (skills[best][job], -job.seed))
    model = _delivered(trainer, chosen)
    evaluation = evaluate(model, chosen.rows(), "validation", cache_dir=trainer.cache_dir)
    metrics = _with_mean_skill(metrics)
    for approach in (each for each in approaches if len(each.plan.recipe.tasks) > 1):
        names = {name: task.metric.name for name, task in approach.plan.recipe.tasks.items()}
        theirs = (approach.name, SINGLE, f"{approach.name} {SINGLE}")
        metrics += delta_m_rows([row for row in metrics if row["run"] in theirs], names)
    return Figures(metrics, history, best, chosen.seed, model, evaluation)


def _judged_by(sets: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the tasks that approaches are judged by: those that half of them have or more, if one has all of these."""
    every = frozenset[str]().union(*sets)
    common = frozenset(task for task in every if 2 * sum(task in tasks for tasks in sets) >= len(sets))
    return common if common and any(common <= tasks for tasks in sets) else max(sets, key=lambda s: (sets.count(s), len(s)))


def log_test_evaluation(folder: Path, what: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down a look at the test split."""
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    append_json(folder / TEST_EVALUATIONS, {"when": when, "what": dict(what), "split": "test", "figures": list(rows)})


def _jobs(approaches: Sequence[Approach], place: Path) -> list[_Job]:
    """Return all trainings: the approaches', then their baselines'."""
    jobs = [
        _Job(each.name, seed, each.plan, each.data, place / f"{each.name}-{seed}") for each in approaches for seed in each.seeds
    ]
    paired = [each for each in approaches if each.baseline_tasks]
    if _have_the_same_baselines(approaches):
        first = {task: each for each in reversed(paired) for task in each.baseline_tasks}
        seeds = sorted({seed for each in paired for seed in each.seeds})
        wanted = [
            (SINGLE, task, first[task], seeds)
            for task in dict.fromkeys(task for each in paired for task in each.baseline_tasks)
        ]
    else:
        wanted = [(f"{each.name} {SINGLE}", task, each, list(each.seeds)) for each in paired for task in each.baseline_tasks]
    for label, task, each, seeds in wanted:
        plan, data = each.baseline(task)
        folders = ((seed, place / f"{label}-{task}-{seed}".replace(" ", "-")) for seed in seeds)
        jobs += [_Job(label, seed, plan, data, where, task) for seed, where in folders]
    return jobs


def _have_the_same_baselines(approaches: Sequence[Approach]) -> bool:
    """Return whether every approach that has a task which is trained alone would have the very same baseline for it.

    Otherwise a baseline that is called by no approach's name would be taken for that of approaches which it does not suit.
    """
    for task in {task for each in approaches for task in each.baseline_tasks}:
        baselines = [each.baseline(task) for each in approaches if task in each.plan.recipe.tasks]
        if any(baseline != baselines[0] for baseline in baselines):
            return False
    return True


def _train(trainer: Trainer, folder: Path, job: _Job, seed: int, number: int, total: int) -> None:
    """Train one model; keep best and last weights, the history and the validation figures."""
    trainer.reporter.training_begins(job.folder.name, number, total, job.plan.epochs)
    began = time.perf_counter()
    logs = folder / "logs" / f"final-{job.folder.name}"
    own = derived_seed(seed, FINAL, job.seed)
    run, data = trainer.train(job.plan, job.data(job.seed), own, logs, output_dir=job.folder, keep=True)
    rows = []
    for kind, at in (("best", contextlib.nullcontext(run.model)), ("last", run.at_last_epoch())):
        with at as model, atomic(job.weights(kind)) as path:
            _part(model, job.plan).save_weights(path)
            evaluation = evaluate(model, data, "validation", cache_dir=trainer.cache_dir)
        rows += metrics_rows(evaluation, run=job.label, role=job.role, seed=job.seed, phase=run.best.phase, epoch_kind=kind)
    tasks = list(job.plan.recipe.tasks)
    seconds = round(time.perf_counter() - began, 3)
    # Last: its presence says that all the rest is there.
    write_json(
        job.summary,
        {
            "metrics": [*rows, *trivial_rows(evaluation)],
            "history": history_rows(run.history, tasks, run=job.history_label, seed=job.seed, role=job.role),
            "best_epoch": run.best.epoch,
            "weighting_state": {name: value.tolist() for name, value in run.model.weighting_state.items()},
            "seconds": seconds,
        },
    )
    (job.folder / CHECKPOINT).unlink(missing_ok=True)
    score = {"skill": evaluation.skill, **{f"{t}_{m}": v for t, vs in evaluation.values().items() for m, v in vs.items()}}
    about = {"trial": job.folder.name, "status": "completed", "hyperparameters": {}}
    trainer.reporter.training_ends({**about, "values": score, "seconds": seconds, "error": None})


def _test_rows(trainer: Trainer, folder: Path, jobs: Sequence[_Job], what: Mapping[str, Any]) -> list[MetricsRow]:
    """Return the test figures of all jobs: the logged ones, or those of the one look."""
    if jobs[0].data(jobs[0].seed).test is None:
        return []
    what = {**what, "runs": [job.folder.name for job in jobs]}
    for look in read_json_lines(folder / TEST_EVALUATIONS):
        if look["what"] == what:
            return with_roles(look["figures"])
    trainer.reporter.stage("Looking at the test data, once")
    found: dict[str, list[MetricsRow]] = {}
    # Seeds of one plan take turns in one network: to build it takes longer than to look.
    models: dict[tuple[str, str | None], MultiTaskModel] = {}
    for job in sorted(jobs, key=lambda job: job.seed):
        data = job.rows()
        rows = found[job.folder.name] = []
        if (job.label, job.task) not in models:
            models[job.label, job.task] = trainer.model(job.plan)
        model = models[job.label, job.task]
        for kind in ("best", "last"):
            _part(model, job.plan).load_weights(job.weights(kind))
            evaluation = evaluate(model, data, "test", cache_dir=trainer.cache_dir)
            rows += metrics_rows(
                evaluation, run=job.label, role=job.role, seed=job.seed, phase=len(job.plan.phases) - 1, epoch_kind=kind
            )
        rows += trivial_rows(evaluation)
    rows = _trivial_once([row for job in jobs for row in found[job.folder.name]])
    log_test_evaluation(folder, what, rows)
    return rows


def _delivered(trainer: Trainer, job: _Job) -> MultiTaskModel:
    """Return a trained model with its weights and weighting state at the best epoch."""
    model = trainer.model(job.plan)
    _part(model, job.plan).load_weights(job.weights("best"))
    state = json.loads(job.summary.read_text(encoding="utf-8"))["weighting_state"]
    model.weighting_state = {name: np.array(value, np.float32) for name, value in state.items()}
    return model


def _part(model: MultiTaskModel, plan: Plan) -> keras.Model:
    """Return what training may have changed: what lies behind a trunk that no phase trains, else the whole network."""
    return keras.Model(model.features if plan.stays_frozen and model.frozen_trunk else model.input, model.output)


def _validation_skill(job: _Job, tasks: Collection[str]) -> float:
    """Return the mean skill over some of its tasks at the best epoch."""
    rows = json.loads(job.summary.read_text(encoding="utf-8"))["metrics"]
    skills = []
    for name, task in job.plan.recipe.tasks.items():
        if name in tasks:
            found = [row for row in rows if (row["task"], row["metric"]) == (name, task.metric.name)]
            trivial = next(row["value"] for row in found if row["run"] == "trivial")
            value = next(row["value"] for row in found if row["run"] != "trivial" and row["epoch_kind"] == "best")
            skills.append(task.metric.skill(value, trivial))
    return float(np.mean(skills))


def _trivial_once(metrics: Sequence[MetricsRow]) -> list[MetricsRow]:
    """Return the rows with those of the trivial predictor once for each figure; they stand in the place of the first."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for row in metrics:
        key = (row["split"], row["task"], row["metric"])
        if row["role"] != "trivial" or key not in seen:
            kept.append(row)
        if row["role"] == "trivial":
            seen.add(key)
    return kept


def _with_mean_skill(metrics: Sequence[MetricsRow]) -> list[MetricsRow]:
    """Replace the whole-model rows of one seed's baselines by one row, the mean over all of them."""
    kept: list[MetricsRow] = []
    skills: dict[tuple[Any, ...], list[MetricsRow]] = {}
    for row in metrics:
        if row["role"] == "single_task" and row["task"] == "all":
            skills.setdefault((row["run"], row["seed"], row["epoch_kind"], row["split"]), []).append(row)
        else:
            kept.append(row)
    return kept + [{**rows[0], "value": float(np.mean([row["value"] for row in rows]))} for rows in skills.values()]
