"""One configuration of a study, trained and evaluated on validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.report import history_rows, metrics_rows, trivial_rows
from mtl_keras.runs import OpenRun, Options, describe_delivered
from mtl_keras.search._prepare import Prepared, prepare
from mtl_keras.search._study import Study
from mtl_keras.training import Run

__all__ = ["train_study"]

LABEL = "multi-task"


def train_study(
    study: Study,
    changes: Mapping[str, Any] | None = None,
    options: Options | None = None,
    *,
    configuration: str | None = None,
) -> tuple[Path, Run, Evaluation]:
    """Train one configuration of a study, with the default of every hyperparameter that is not fixed.

    The test split is not evaluated; `evaluate_run` does that.

    Args:
        study: The study.
        changes: Settings, or hyperparameters to fix.
        options: Where to read and write, and how to execute it. With `resume`, the training continues after its last epoch.
        configuration: Name of one of the study's configurations; None (default) uses the default of every hyperparameter.

    Returns:
        The folder, the run, and its evaluation on validation.

    Raises:
        MTLError: If an input is refused or the losses do not stay finite.
    """
    prepared = prepare(study, "train", changes, options or Options(), configuration=configuration)
    resolved, trainer = prepared.resolved, prepared.trainer
    call = f"mtl.search.train_study(mtl.load_study({study.name!r}))"
    with prepared.folder.open(prepared.config("train"), call) as opened:
        trainer.reporter.on_stage(f"Training in {opened.path}")
        trainer.reporter.on_training_begin("training", 1, 1, resolved.plan.epochs)
        logs, seed = opened.path / "logs" / "train", resolved.settings.seed
        run, data = trainer.train(resolved.plan, prepared.data, seed, logs, output_dir=opened.path)
        evaluation = evaluate(run.model, data, "validation", cache_dir=trainer.cache_dir)
        if not opened.has_record:
            with run.at_last_epoch() as model:
                last = evaluate(model, data, "validation", cache_dir=trainer.cache_dir)
            _deliver(prepared, opened, run, evaluation, last)
    return opened.path, run, evaluation


def _deliver(prepared: Prepared, opened: OpenRun, run: Run, evaluation: Evaluation, last: Evaluation) -> None:
    """Write the model and the record."""
    resolved, study = prepared.resolved, prepared.resolved.study
    # Not the features that it may have been trained on: images are shown.
    data = resolved.plan.rows(prepared.data)
    head: dict[str, Any] = {"run": LABEL, "seed": run.seed, "phase": run.best.phase}
    opened.deliver(
        run.model,
        prepared.data.class_names,
        title=f"{study.name}: {resolved.configuration or 'one configuration'}",
        question=study.configuration(resolved.configuration).summary if resolved.configuration else study.summary,
        metrics=[
            *metrics_rows(evaluation, **head, epoch_kind="best"),
            *metrics_rows(last, **head, epoch_kind="last"),
            *trivial_rows(evaluation),
        ],
        history=history_rows(run.history, list(run.recipe.tasks), run=LABEL, seed=run.seed),
        evaluation=evaluation,
        delivered=describe_delivered(run.model, data, evaluation, run=LABEL, seed=run.seed),
        trainings=prepared.trainer.trainings,
    )
