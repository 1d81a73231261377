"""The final figures: the best trial's configuration from several seeds, its single-task twins, one look at the test data."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.files import append_json, atomic, read_json_lines, write_json
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import delta_m_rows, history_rows, metrics_rows, trivial_rows
from mtl_keras.search._seeds import FINAL, derived_seed
from mtl_keras.search._session import Session
from mtl_keras.search._study import Plan

__all__ = ["Finals", "run_finals"]

LOOKS = "test_evaluations.jsonl"
MULTI, SINGLE = "multi-task", "single-task"


@dataclass(frozen=True, eq=False)
class Finals:
    """What the final trainings gave.

    Attributes:
        metrics: Rows of `metrics.csv`.
        history: Rows of `history.csv`.
        model: The multi-task model that is best on validation.
        evaluation: Its evaluation on validation.
        seed: Its number among the final seeds.
    """

    metrics: list[dict[str, Any]]
    history: list[dict[str, Any]]
    model: MultiTaskModel
    evaluation: Evaluation
    seed: int


@dataclass(frozen=True)
class _Job:
    """One final training."""

    label: str
    seed: int
    plan: Plan
    folder: Path

    def weights(self, kind: str) -> Path:
        return self.folder / f"{kind}.weights.h5"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.json"


def run_finals(session: Session, folder: Path, trial: int, values: Mapping[str, Any]) -> Finals:
    """Train what is missing of the final set, look at the test split once, and return all figures.

    Args:
        session: Open session.
        folder: The search's folder. Trainings that lie there already are not repeated, and a trial whose test figures
            are logged is not looked at again.
        trial: Number of the best trial.
        values: Its hyperparameters.
    """
    settings = session.resolved.settings
    plan = session.resolved.plan_of(values)
    place = folder / "finals" / f"trial-{trial:03d}"
    jobs = [_Job(MULTI, seed, plan, place / f"{MULTI}-{seed}") for seed in range(settings.final_seeds)]
    if len(plan.recipe.tasks) > 1:
        for name in plan.recipe.tasks:
            twin = plan.only(name)
            jobs += [_Job(SINGLE, seed, twin, place / f"{SINGLE}-{name}-{seed}") for seed in range(settings.final_seeds)]
    session.reporter.stage(
        f"Training the best configuration (trial {trial}) from {settings.final_seeds} seeds, and its single-task twins"
    )
    metrics: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    for number, job in enumerate(jobs, start=1):
        if not job.summary.exists():
            _train(session, folder, job, number, len(jobs))
        summary = json.loads(job.summary.read_text(encoding="utf-8"))
        metrics += summary["metrics"]
        history += summary["history"]
    metrics += _test_rows(session, folder, trial, jobs)
    multi = [job for job in jobs if job.label == MULTI]
    chosen = max(multi, key=lambda job: (_validation_skill(job), -job.seed))
    model = _load(session, chosen, "best")
    evaluation = evaluate(model, session.data, "validation", cache_dir=session.cache_dir)
    metrics = _with_mean_skill(metrics)
    metrics += delta_m_rows(metrics, {name: task.metric.name for name, task in plan.recipe.tasks.items()})
    return Finals(metrics, history, model, evaluation, chosen.seed)


def _train(session: Session, folder: Path, job: _Job, number: int, total: int) -> None:
    """Train one final model; keep best and last weights, the history and the validation figures."""
    seed = derived_seed(session.resolved.settings.seed, FINAL, job.seed)
    session.reporter.training_begins(job.folder.name, number, total, sum(phase.epochs for phase in job.plan.phases))
    began = time.perf_counter()
    run, data = session.train(job.plan, seed, folder / "logs" / f"final-{job.folder.name}")
    rows = []
    for kind, model in (("best", run.model), ("last", run.last_model)):
        with atomic(job.weights(kind)) as path:
            _part(model).save_weights(path)
        evaluation = evaluate(model, data, "validation", cache_dir=session.cache_dir)
        rows += metrics_rows(evaluation, run=job.label, seed=job.seed, phase=run.best.phase, epoch_kind=kind)
    if _speaks_for_all(job):
        rows += trivial_rows(evaluation)
    tasks = list(job.plan.recipe.tasks)
    seconds = round(time.perf_counter() - began, 3)
    # Last: its presence says that all the rest is there.
    write_json(
        job.summary,
        {
            "metrics": rows,
            "history": history_rows(run.history, tasks, run=_history_label(job), seed=job.seed),
            "best_epoch": run.best.epoch,
            "weighting_state": {name: value.tolist() for name, value in run.model.weighting_state.items()},
            "seconds": seconds,
        },
    )
    score = {"skill": evaluation.skill, **{f"{t}_{m}": v for t, vs in evaluation.values().items() for m, v in vs.items()}}
    about = {"trial": job.folder.name, "status": "completed", "hyperparameters": {}}
    session.reporter.training_ends({**about, "values": score, "seconds": seconds, "error": None})


def _test_rows(session: Session, folder: Path, trial: int, jobs: list[_Job]) -> list[dict[str, Any]]:
    """Return the test figures of the final set: the logged ones, or those of the one look."""
    if session.data.test is None:
        return []
    runs = [job.folder.name for job in jobs]
    for look in read_json_lines(folder / LOOKS):
        if look["what"].get("trial") == trial and look["what"].get("runs") == runs:
            return list(look["figures"])
    session.reporter.stage("Looking at the test data, once")
    rows: list[dict[str, Any]] = []
    for job in jobs:
        own = job.plan.recipe.tasks
        data = session.data if len(own) == len(session.data.tasks) else session.data.only(*own)
        for kind in ("best", "last"):
            evaluation = evaluate(_load(session, job, kind), data, "test", cache_dir=session.cache_dir)
            rows += metrics_rows(evaluation, run=job.label, seed=job.seed, phase=len(job.plan.phases) - 1, epoch_kind=kind)
        if _speaks_for_all(job):
            rows += trivial_rows(evaluation)
    append_json(
        folder / LOOKS,
        {
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "what": {"command": "tune", "trial": trial, "runs": runs},
            "split": "test",
            "figures": rows,
        },
    )
    return rows


def _load(session: Session, job: _Job, kind: str) -> MultiTaskModel:
    """Build a final model again and give it its weights."""
    model = session.build(job.plan)
    _part(model).load_weights(job.weights(kind))
    if kind == "best":
        state = json.loads(job.summary.read_text(encoding="utf-8"))["weighting_state"]
        model.weighting_state = {name: np.array(value, np.float32) for name, value in state.items()}
    return model


def _part(model: MultiTaskModel) -> keras.Model:
    """Return what training may have changed: what lies behind a frozen trunk, else the whole network."""
    return keras.Model(model.features if model.frozen_trunk else model.input, model.output)


def _validation_skill(job: _Job) -> float:
    rows = json.loads(job.summary.read_text(encoding="utf-8"))["metrics"]
    return next(r["value"] for r in rows if (r["task"], r["metric"], r["epoch_kind"]) == ("all", "skill", "best"))


def _history_label(job: _Job) -> str:
    """Return the label of a history: twins of different tasks have different curves."""
    return job.label if job.label == MULTI else f"{SINGLE} {next(iter(job.plan.recipe.tasks))}"


def _speaks_for_all(job: _Job) -> bool:
    """Return whether this is the one training whose trivial figures are kept: they are the same for all."""
    return (job.label, job.seed) == (MULTI, 0)


def _with_mean_skill(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace the whole-model rows of one seed's twins by one row, the mean over all of them."""
    kept: list[dict[str, Any]] = []
    skills: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in metrics:
        if row["run"] == SINGLE and row["task"] == "all":
            skills.setdefault((row["seed"], row["epoch_kind"], row["split"]), []).append(row)
        else:
            kept.append(row)
    return kept + [{**rows[0], "value": float(np.mean([row["value"] for row in rows]))} for rows in skills.values()]
