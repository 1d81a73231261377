"""From a study to a record: trials, final figures, pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_keras.callbacks import write_images
from mtl_keras.comparison import Figures, Reporter
from mtl_keras.comparison._folder import lock, write_config
from mtl_keras.comparison._work_log import work_log
from mtl_keras.data import Data
from mtl_keras.evaluation import Evaluation
from mtl_keras.report import MetricsRow, Record, plot_confusion, plot_reconstructions, write_record
from mtl_keras.report.statistics import trial_skills
from mtl_keras.saving import MODEL
from mtl_keras.search._claim import claim
from mtl_keras.search._finals import run_finals
from mtl_keras.search._session import Session
from mtl_keras.search._settings import divided
from mtl_keras.search._study import Study, load_study
from mtl_keras.search._trials import best_trial, run_trials

__all__ = ["StudyResult", "run_study", "tune"]


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished search.

    Attributes:
        study: Name of the study.
        output_dir: Its folder.
        best: Number of the best trial.
        hyperparameters: Of the best trial.
        trials: Lines of `trials.jsonl`.
        metrics: Rows of `metrics.csv`.
        model: The delivered model: of the final seeds, the one best on validation.
        evaluation: Its validation evaluation, with confusion matrices and examples.
    """

    study: str
    output_dir: Path
    best: int
    hyperparameters: Mapping[str, Any]
    trials: list[dict[str, Any]]
    metrics: list[MetricsRow]
    model: Any
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


def run_study(
    study: Study,
    changes: Mapping[str, Any] | None = None,
    *,
    data: Data | None = None,
    data_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    quick: bool = False,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> StudyResult:
    """Search a study, train the best configuration from several seeds beside its single-task baselines, and write the record.

    Everything is chosen on validation; the test split is looked at once, at the end, and the look is logged. A search
    that was stopped anywhere goes on with `resume`; a finished one returns its figures without a second look.

    Args:
        study: What to run.
        changes: Fields of the study's settings (`{"trials": 30}`), or hyperparameters, which are then fixed.
        data: Data to use instead of loading the study's own.
        data_dir: Root in which the data set is looked for as `<name>/` and `tfds/<name>/`.
        output_dir: A new or empty folder; None (default) makes `runs/<study>/<n>`.
        cache_dir: Folder of the feature cache; None (default) is the user's cache folder.
        resume: Continue the search in `output_dir`, or the newest of that study.
        quick: Apply the study's quick changes first.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Hears of the progress.

    Returns:
        The result; everything in it is in the folder too.

    Raises:
        MTLError: If an input is refused, which is seen before any long work, or no trial completed.
    """
    began = time.perf_counter()
    reporter = reporter or Reporter()
    changes = {**(study.quick if quick else {}), **(changes or {})}
    folder, resolved = claim(study, "tune", changes, output_dir, resume)
    session = Session.open(
        resolved, data=data, data_dir=data_dir, cache_dir=cache_dir, strategy_name=strategy, reporter=reporter
    )
    with lock(folder):
        # All inputs are accepted: only now is anything written.
        write_config(folder, resolved.config("tune"))
        with work_log(folder, f"mtl.tune({study.name!r})", began) as log:
            reporter.stage(f"Searching {resolved.settings.trials} trials in {folder}")
            rows = run_trials(session, folder)
            best = best_trial(rows)
            finals = run_finals(session, folder, best["trial"], best["hyperparameters"])
            if session.trainer.trainings or not (folder / "README.md").exists():
                reporter.stage("Writing the record")
                _deliver(session, folder, finals, rows, log.environment())
            else:
                log.forget()
    return StudyResult(
        study.name, folder, best["trial"], best["hyperparameters"], rows, finals.metrics, finals.model, finals.evaluation
    )


def tune(study: str | Path | Study, **arguments: Any) -> StudyResult:
    """Run a study by name: what `mtl-keras tune` does.

    Args:
        study: A name of `mtl-keras studies`, the path of a study file, or a `Study`.
        **arguments: Those of `run_study`; anything else is a change to the settings or a fixed hyperparameter.

    Returns:
        The result.

    Raises:
        MTLError: As `run_study`.

    Example:
        result = mtl.tune("cifar100", data=data, trials=40, seed=0)
    """
    options, changes = divided(run_study, arguments)
    return run_study(study if isinstance(study, Study) else load_study(study), changes, **options)


def _deliver(session: Session, folder: Path, finals: Figures, rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    """Write the model, its pictures and the record."""
    resolved = session.resolved
    finals.model.class_names = dict(session.data.class_names)
    finals.model.save(folder / MODEL)
    evaluation = finals.evaluation
    figures = {
        f"{task}/confusion": plot_confusion(counts, evaluation.class_names.get(task, ()), f"{task}, validation")
        for task, counts in evaluation.confusion.items()
    }
    figures |= {f"{task}/reconstruction": plot_reconstructions(*pair) for task, pair in evaluation.examples.items()}
    write_images(folder / "logs", figures, step=0)
    record = Record(
        title=f"{resolved.study.name}: tuned multi-task model",
        question=resolved.study.summary,
        command=about["command"],
        config=resolved.config("tune"),
        environment=about,
        metrics=finals.metrics,
        history=finals.history,
        trials=rows,
        evaluation=evaluation,
    )
    write_record(folder, record)
