"""From a study to a record: trials, final trainings, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.callbacks import write_images
from mtl_keras.data import Data
from mtl_keras.evaluation import Evaluation
from mtl_keras.model import MultiTaskModel
from mtl_keras.report import MetricsRow, plot_confusion, plot_reconstructions
from mtl_keras.report.statistics import trial_skills
from mtl_keras.runs import Options
from mtl_keras.search._finals import run_finals
from mtl_keras.search._load_study import find_study
from mtl_keras.search._prepare import prepare
from mtl_keras.search._resolve import merge_changes
from mtl_keras.search._study import Study
from mtl_keras.search._trials import best_trial, run_trials

__all__ = ["StudyResult", "run_study", "tune"]


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished search.

    Attributes:
        study: Name of the study.
        output_dir: Its folder, which is a record.
        best: Number of the best trial.
        hyperparameters: Those of the best trial.
        trials: Rows of `trials.jsonl`.
        metrics: Rows of `metrics.csv`.
        model: The delivered model: the one of the final trainings that is best on validation.
        evaluation: Its evaluation on validation, with confusion matrices and examples.
    """

    study: str
    output_dir: Path
    best: int
    hyperparameters: Mapping[str, Any]
    trials: list[dict[str, Any]]
    metrics: list[MetricsRow]
    model: MultiTaskModel
    evaluation: Evaluation

    def means(self, split: str, run: str = "multi-task") -> dict[str, dict[str, float]]:
        """Return `{task: {metric: mean over final seeds at the best epoch}}`."""
        values: dict[str, dict[str, list[float]]] = {}
        for row in self.metrics:
            if (row["run"], row["split"], row["epoch_kind"]) == (run, split, "best" if run != "trivial" else ""):
                values.setdefault(row["task"], {}).setdefault(row["metric"], []).append(row["value"])
        return {task: {metric: float(np.mean(v)) for metric, v in metrics.items()} for task, metrics in values.items()}

    def summary(self) -> dict[str, Any]:
        """Return the result as plain JSON values, as `tune --json` prints it."""
        completed, every = len(trial_skills(self.trials)), len({row["trial"] for row in self.trials})
        return {
            "study": self.study,
            "output_dir": str(self.output_dir),
            "best": {"trial": self.best, "hyperparameters": dict(self.hyperparameters)},
            "trials": {"completed": completed, "failed": every - completed},
            "validation": self.means("validation"),
            "test": self.means("test"),
        }


def tune(
    study: str | Path | Study, *, data: Data | None = None, changes: Mapping[str, Any] | None = None, **arguments: Any
) -> StudyResult:
    """Search a study and train its best configuration, as `mtl-keras tune` does.

    Everything is chosen on validation. The test split is evaluated once, at the end, which is logged.

    Args:
        study: A name that `mtl-keras studies` lists, the path of a study file, or a `Study`.
        data: Data to use instead of loading the study's own.
        changes: Settings and hyperparameters to fix, by name; the same as passing them by keyword.
        **arguments: The fields of `mtl_keras.runs.Options`: `data_dir`, `output_dir`, `cache_dir`, `resume`, `quick`,
            `strategy` and `reporter`. All others are settings of the study, e.g. `trials=30`, or hyperparameters, which are
            then fixed.

    Returns:
        The result. Everything in it is in its folder too.

    Raises:
        MTLError: If an argument is unknown or refused, which is checked before any long work, or no trial completed.

    Example:
        result = mtl.tune("cifar100", data=data, trials=40, seed=0)
    """
    options, given = Options.split(arguments)
    return run_study(find_study(study), merge_changes(changes, given), options, data=data)


def run_study(
    study: Study, changes: Mapping[str, Any] | None = None, options: Options | None = None, *, data: Data | None = None
) -> StudyResult:
    """Search a study and train its best configuration from several seeds, with single-task baselines; see `tune`.

    A search that was stopped is continued with `resume`. A finished one returns its results without another test evaluation.

    Args:
        study: The study.
        changes: Settings (`{"trials": 30}`), or hyperparameters, which are then fixed.
        options: Where to read and write, and how to execute it.
        data: Data to use instead of loading the study's own.

    Returns:
        The result. Everything in it is in its folder too.

    Raises:
        MTLError: As `tune`.
    """
    prepared = prepare(study, "tune", changes, options or Options(), data=data)
    resolved, trainer = prepared.resolved, prepared.trainer
    with prepared.folder.open(prepared.config("tune"), f"mtl.tune({study.name!r})") as run:
        trainer.reporter.on_stage(f"Searching {resolved.settings.trials} trials in {run.path}")
        rows = run_trials(prepared, run.path)
        best = best_trial(rows)
        results = run_finals(prepared, run.path, best["trial"], best["hyperparameters"])
        if trainer.trainings or not run.has_record:
            trainer.reporter.on_stage("Writing the record")
            _write_images(run.path / "logs", results.evaluation)
            run.deliver(
                results.model,
                prepared.data.class_names,
                title=f"{study.name}: tuned multi-task model",
                question=study.summary,
                **results.content,
                trainings=trainer.trainings,
                trials=rows,
            )
    return StudyResult(
        study.name,
        run.path,
        best["trial"],
        best["hyperparameters"],
        rows,
        results.metrics,
        results.model,
        results.evaluation,
    )


def _write_images(folder: Path, evaluation: Evaluation) -> None:
    """Write confusion matrices and reconstructions for TensorBoard."""
    plots = {
        f"{task}/confusion": plot_confusion(counts, evaluation.class_names.get(task, ()), f"{task}, validation")
        for task, counts in evaluation.confusion.items()
    }
    plots |= {f"{task}/reconstruction": plot_reconstructions(*pair) for task, pair in evaluation.examples.items()}
    write_images(folder, plots, step=0)
