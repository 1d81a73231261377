"""One configuration of a study, trained and scored; and a finished run, scored again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mtl_keras.comparison import Reporter
from mtl_keras.comparison._folder import lock, saved_config, write_config
from mtl_keras.comparison._jobs import log_test_evaluation
from mtl_keras.comparison._work_log import work_log
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.report import Record, history_rows, metrics_rows, trivial_rows, write_record
from mtl_keras.saving import MODEL, load_model
from mtl_keras.search._claim import claim
from mtl_keras.search._session import Session, resolve
from mtl_keras.search._study import Study, load_study
from mtl_keras.training import Run

__all__ = ["evaluate_run", "train_study"]


def train_study(
    study: Study,
    changes: Mapping[str, Any] | None = None,
    *,
    data_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    quick: bool = False,
    configuration: str | None = None,
    strategy: str = "auto",
    reporter: Reporter | None = None,
) -> tuple[Path, Run, Evaluation]:
    """Train one configuration of a study: the default of every hyperparameter, but for what is fixed.

    The test split is not looked at; `evaluate_run` does that.

    Args:
        study: What to train.
        changes: Fields of the settings, or hyperparameters to fix.
        data_dir: Root in which the data set is looked for.
        output_dir: A new or empty folder; None (default) makes `runs/<study>/<n>`.
        cache_dir: Folder of the feature cache.
        resume: Continue the training in `output_dir`, or the newest of that study, after its last whole epoch.
        quick: Apply the study's quick changes first.
        configuration: Name of one of the study's configurations; None (default) takes the default of every hyperparameter.
        strategy: See `mtl_keras.distribute.strategy`.
        reporter: Hears of the progress.

    Returns:
        The folder, the run, and its evaluation on validation.

    Raises:
        MTLError: If an input is refused or the losses do not stay finite.
    """
    began = time.perf_counter()
    reporter = reporter or Reporter()
    changes = {**(study.quick if quick else {}), **(changes or {})}
    folder, resolved = claim(study, "train", changes, output_dir, resume, configuration)
    session = Session.open(
        resolved, data=None, data_dir=data_dir, cache_dir=cache_dir, strategy_name=strategy, reporter=reporter
    )
    plan, seed = resolved.plan, resolved.settings.seed
    with lock(folder):
        write_config(folder, resolved.config("train"))
        with work_log(folder, f"mtl.search.train_study(mtl.load_study({study.name!r}))", began) as log:
            reporter.stage(f"Training in {folder}")
            reporter.training_begins("training", 1, 1, sum(phase.epochs for phase in plan.phases))
            run, data = session.train(plan, seed, folder / "logs" / "train", output_dir=folder)
            evaluation = evaluate(run.model, data, "validation", cache_dir=session.cache_dir)
            if (folder / "README.md").exists():
                log.forget()
            else:
                with run.at_last_epoch() as model:
                    last = evaluate(model, data, "validation", cache_dir=session.cache_dir)
                _deliver(session, folder, run, evaluation, last, log.environment())
    return folder, run, evaluation


def _deliver(session: Session, folder: Path, run: Run, evaluation: Evaluation, last: Evaluation, about: dict[str, Any]) -> None:
    """Write the model and the record."""
    resolved, study = session.resolved, session.resolved.study
    run.model.save(folder / MODEL)
    head: dict[str, Any] = {"run": "multi-task", "seed": run.seed, "phase": run.best.phase}
    record = Record(
        title=f"{study.name}: {resolved.configuration or 'one configuration'}",
        question=study.configuration(resolved.configuration).summary if resolved.configuration else study.summary,
        command=about["command"],
        config=resolved.config("train"),
        environment=about,
        metrics=[
            *metrics_rows(evaluation, **head, epoch_kind="best"),
            *metrics_rows(last, **head, epoch_kind="last"),
            *trivial_rows(evaluation),
        ],
        history=history_rows(run.history, list(run.recipe.tasks), run="multi-task", seed=run.seed),
        evaluation=evaluation,
    )
    write_record(folder, record)


def evaluate_run(
    folder: str | Path,
    split: Literal["train", "validation", "test"] | str = "validation",
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Evaluation:
    """Score a finished run's model again on one split; a look at the test split is logged in its folder.

    Args:
        folder: Of `tune` or `train`.
        split: Which one.
        data_dir: Root in which the data set is looked for.
        cache_dir: Folder of the feature cache.

    Raises:
        MTLError: If the folder holds no finished run.
    """
    folder = Path(folder)
    model = load_model(folder)
    config = saved_config(folder)
    if config is None:
        raise MTLError(f"A run's folder remembers its study. Received: {folder} without config.json. Name the folder of a run.")
    if config["command"] not in ("tune", "train"):
        raise MTLError(f"A run of tune or train is scored again. Received: {folder}, one of {config['command']}. Name another.")
    study = load_study(config["source"] or config["study"])
    data = study.load(resolve(study, {}, config, configuration=config.get("configuration")).settings, data_dir)
    own = model.recipe.tasks
    data = data if set(own) == set(data.tasks) else data.only(*own)
    evaluation = evaluate(model, data, split, cache_dir=cache_dir)  # type: ignore[arg-type]  # evaluate refuses other names
    if split == "test":
        rows = metrics_rows(evaluation, run="multi-task", seed=0, phase=0, epoch_kind="best")
        log_test_evaluation(folder, {"command": "evaluate", "model": "model.keras"}, rows)
    return evaluation
