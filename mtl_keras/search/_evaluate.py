"""A finished run, evaluated again."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mtl_keras.errors import MTLError
from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.report import metrics_rows
from mtl_keras.runs import log_test_evaluation, read_config
from mtl_keras.saving import load_model
from mtl_keras.search._load_study import load_study
from mtl_keras.search._resolve import resolve_settings

__all__ = ["evaluate_run"]


def evaluate_run(
    folder: str | Path,
    split: Literal["train", "validation", "test"] | str = "validation",
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Evaluation:
    """Evaluate a finished run's model on one split. A test evaluation is logged in the run's folder.

    Args:
        folder: Folder of a run of `tune` or `train`.
        split: `"train"`, `"validation"` (default) or `"test"`.
        data_dir: Root folder in which the data set is looked up.
        cache_dir: Folder of the feature cache.

    Raises:
        MTLError: If the folder holds no finished run.
    """
    folder = Path(folder)
    model = load_model(folder)
    config = read_config(folder)
    if config is None:
        raise MTLError(
            f"The folder of a run must hold its configuration. Received: {folder} without config.json. Name another folder."
        )
    if config["command"] not in ("tune", "train"):
        raise MTLError(
            f"A run to evaluate must be one of tune or train. Received: {folder}, one of {config['command']}. Name another."
        )
    study = load_study(config["source"] or config["study"])
    settings, _ = resolve_settings(study, {}, config, configuration=config.get("configuration"))
    data = study.load(settings, data_dir)
    own = model.recipe.tasks
    data = data if set(own) == set(data.tasks) else data.only(*own)
    evaluation = evaluate(model, data, split, cache_dir=cache_dir)  # type: ignore[arg-type]  # evaluate refuses other names
    if split == "test":
        rows = metrics_rows(evaluation, run="multi-task", seed=0, phase=0, epoch_kind="best")
        log_test_evaluation(folder, {"command": "evaluate", "model": "model.keras"}, rows)
    return evaluation
