"""Training what is missing of a comparison, and evaluating all of it on the test split once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.backbones import Backbone
from mtl_keras.comparison._approach import SINGLE, Approach
from mtl_keras.comparison._jobs import Job, list_jobs
from mtl_keras.comparison._results import Results, choose_best, with_mean_skill, with_mean_trivial
from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.files import seal, write_json
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import (
    HistoryRow,
    MetricsRow,
    delta_m_rows,
    history_rows,
    merge_budgets,
    metrics_rows,
    trivial_rows,
    with_roles,
)
from mtl_keras.runs import FINAL, Trainer, derived_seed, find_test_evaluation, log_test_evaluation

__all__ = ["run_approaches"]

CHECKPOINT = "checkpoint.npz"


def run_approaches(
    trainer: Trainer, folder: Path, place: Path, approaches: Sequence[Approach], *, seed: int, what: Mapping[str, Any]
) -> Results:
    """Train what is missing of all approaches and their baselines, evaluate the test split once, and return all results.

    If the baseline of a task is the same for all approaches that have the task, it is trained once, as `"single-task"`. If not,
    each approach gets its own, `"{approach} single-task"`.

    Args:
        trainer: Runs the trainings.
        folder: Folder of the run, for `logs/` and the log of test evaluations.
        place: Folder in which each training gets a folder. Trainings that are finished there are not repeated.
        approaches: What to train. Names must differ.
        seed: Each training's seed is derived from this one and its number, whatever the approach.
        what: Describes the test evaluation in its log. If the log has it with the same trainings, it is not repeated.
    """
    jobs = list_jobs(approaches, place)
    # Seed by seed: each may have data of its own, and whoever looks at the results early sees every approach.
    for number, job in enumerate(sorted(jobs, key=lambda job: job.seed), start=1):
        if job.finished:
            job.check_data()
        else:
            _train(trainer, folder, job, seed, number, len(jobs))
        # Here, since a process may have been killed right after it had finished the job.
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
    summaries = [job.summary() for job in jobs]
    metrics = with_mean_trivial((job.seed, with_roles(each["metrics"])) for job, each in zip(jobs, summaries, strict=True))
    history: list[HistoryRow] = with_roles(row for summary in summaries for row in summary["history"])
    metrics += _evaluate_test_split(trainer, folder, jobs, what)
    chosen = choose_best(approaches, jobs)
    model = _load_best(trainer, chosen)
    evaluation = evaluate(model, chosen.rows(), "validation", cache_dir=trainer.cache_dir)
    metrics = with_mean_skill(metrics)
    for approach in (each for each in approaches if len(each.plan.recipe.tasks) > 1):
        names = {name: task.metric.name for name, task in approach.plan.recipe.tasks.items()}
        own = (approach.name, SINGLE, f"{approach.name} {SINGLE}")
        metrics += delta_m_rows([row for row in metrics if row["run"] in own], names)
    confusion = [row for job in jobs for row in job.confusion()]
    first = {(job.label, job.task): job for job in reversed(jobs)}
    budgets = merge_budgets(budget for job in reversed(first.values()) for budget in job.budgets())
    return Results(metrics, history, chosen.label, chosen.seed, model, evaluation, confusion, budgets)


def _train(trainer: Trainer, folder: Path, job: Job, seed: int, number: int, total: int) -> None:
    """Train one model; write the best and last weights, the history and the validation metrics."""
    trainer.reporter.on_training_begin(job.folder.name, number, total, job.plan.epochs)
    began = time.perf_counter()
    logs = folder / "logs" / f"final-{job.folder.name}"
    own_seed = derived_seed(seed, FINAL, job.seed)
    run, data = trainer.train(job.own_plan, job.data(job.seed), own_seed, logs, output_dir=job.folder, keep=True)
    found: dict[str, Evaluation] = {}
    rows = []
    for kind, at in (("best", contextlib.nullcontext(run.model)), ("last", run.at_last_epoch())):
        with at as model:
            job.save_weights(model, kind)
            found[kind] = evaluate(model, data, "validation", cache_dir=trainer.cache_dir)
        rows += metrics_rows(found[kind], run=job.label, role=job.role, seed=job.seed, phase=run.best.phase, epoch_kind=kind)
    best = found["best"]
    tasks = list(job.plan.recipe.tasks)
    seconds = round(time.perf_counter() - began, 3)
    summary = {
        "metrics": [*rows, *trivial_rows(best)],
        "history": history_rows(run.history, tasks, run=job.history_label, seed=job.seed, role=job.role),
        "best_epoch": run.best.epoch,
        "weighting_state": {name: value.tolist() for name, value in run.model.weighting_state.items()},
        "seconds": seconds,
        "data": job.data(job.seed).digests(),
    }
    # Written last: it marks the training as finished.
    write_json(job.summary_file, seal(summary))
    values = {"skill": best.skill, **{f"{t}_{m}": v for t, vs in best.values().items() for m, v in vs.items()}}
    about = {"trial": job.folder.name, "status": "completed", "hyperparameters": {}}
    trainer.reporter.on_training_end({**about, "values": values, "seconds": seconds, "error": None})


def _evaluate_test_split(trainer: Trainer, folder: Path, jobs: Sequence[Job], what: Mapping[str, Any]) -> list[MetricsRow]:
    """Return the test metrics of all trainings: the logged ones, or those of an evaluation that is done and logged now."""
    if jobs[0].data(jobs[0].seed).test is None:
        return []
    what = {**what, "runs": [job.folder.name for job in jobs]}
    if (logged := find_test_evaluation(folder, what)) is not None:
        return with_roles(logged)
    trainer.reporter.on_stage("Evaluating the test split, once")
    found: dict[str, list[MetricsRow]] = {}
    # The seeds of one plan take turns in one network: building it takes longer than evaluating it.
    models: dict[tuple[str, str | None, Backbone], MultiTaskModel] = {}
    for job in sorted(jobs, key=lambda job: job.seed):
        data = job.rows()
        rows = found[job.folder.name] = []
        key = (job.label, job.task, job.own_plan.recipe.backbone)
        if key not in models:
            models[key] = trainer.model(job.own_plan)
        model = models[key]
        for kind in ("best", "last"):
            job.load_weights(model, kind)
            evaluation = evaluate(model, data, "test", cache_dir=trainer.cache_dir)
            if kind == "best":
                job.save_confusion(evaluation)
            rows += metrics_rows(
                evaluation, run=job.label, role=job.role, seed=job.seed, phase=len(job.plan.phases) - 1, epoch_kind=kind
            )
        rows += trivial_rows(evaluation)
    rows = with_mean_trivial((job.seed, found[job.folder.name]) for job in jobs)
    log_test_evaluation(folder, what, rows)
    return rows


def _load_best(trainer: Trainer, job: Job) -> MultiTaskModel:
    """Return a trained model with its weights and weighting state at the best epoch."""
    model = trainer.model(job.own_plan)
    job.load_weights(model, "best")
    model.class_names = {task: tuple(names) for task, names in job.rows().class_names.items()}
    model.encoder = job.rows().encoder
    model.weighting_state = {name: np.array(value, np.float32) for name, value in job.summary()["weighting_state"].items()}
    return model
