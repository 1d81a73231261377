"""A finished run, evaluated again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mtl_keras.data import ROW, Data, describe_change, loading
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import Evaluation, evaluate
from mtl_keras.report import metrics_rows
from mtl_keras.runs import lock, log_test_evaluation, read_config
from mtl_keras.saving import load_model
from mtl_keras.search._from_file import STUDY_FILE
from mtl_keras.search._load_study import find_study, load_study, study_of_run
from mtl_keras.search._resolve import resolve_settings
from mtl_keras.search._study import Study
from mtl_keras.studies import study_summaries

__all__ = ["evaluate_run"]


def evaluate_run(
    folder: str | Path,
    split: Literal["train", "validation", "test"] | str = "validation",
    *,
    study: str | Path | Study | None = None,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Evaluation:
    """Evaluate a finished run's model on one split. A test evaluation is logged in the run's folder.

    Args:
        folder: Folder of a run of `tune` or `train`.
        split: `"train"`, `"validation"` (default) or `"test"`.
        study: The study of the run: a name, a file or a `Study`. None (default) is the built-in study that the folder names, or
            that of its `study.toml`. A folder is data: a Python file is run only if it is named here.
        data_dir: Root folder in which the data set is looked up.
        cache_dir: Folder of the feature cache.

    Raises:
        MTLError: If the folder holds no finished run, it is of a study file that is not named, the file is not that of the
            run, the table or folder of images has been changed since, or another process writes to the folder whose test
            evaluation is to be logged.
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
    own_study = _find_own_study(folder, config, study)
    settings, _ = resolve_settings(own_study, {}, config, configuration=config.get("configuration"))
    with loading(cache_dir):
        data = own_study.load(settings, data_dir)
    if own_study.study_file is not None:
        _check_rows(folder, config, data)
    own = model.recipe.tasks
    data = data if set(own) == set(data.tasks) else data.only(*own)
    if split != "test":
        return evaluate(model, data, split, cache_dir=cache_dir)  # type: ignore[arg-type]  # evaluate refuses other names
    # Also while it is computed, so that what cannot be logged is not seen.
    with lock(folder):
        evaluation = evaluate(model, data, "test", cache_dir=cache_dir)
        rows = metrics_rows(evaluation, run="multi-task", seed=0, phase=0, epoch_kind="best")
        log_test_evaluation(folder, {"command": "evaluate", "model": "model.keras"}, rows)
    return evaluation


def _check_rows(folder: Path, config: Mapping[str, Any], data: Data) -> None:
    """Refuse a table that has been changed, whose splits may hold out rows that the model was trained on.

    Images are told by their labels, since another version of a decoder may give other pixels.
    """
    if (saved := config.get("data")) is None:
        return
    kinds = ["labels", "label weights"]
    if data.encoder is not None:
        kinds.append(f"inputs of input {ROW!r}" if ROW in data.train.inputs else "inputs")
    before, now = (
        {split: {what: each for what, each in own.items() if what.startswith(tuple(kinds))} for split, own in digests.items()}
        for digests in (saved, data.digests())
    )
    if (changed := describe_change(before, now)) is not None:
        raise MTLError(
            "A run must be evaluated on the rows that it was started with: other ones may be divided otherwise, and training "
            f"rows held out. Received: other {changed} than those of {folder}. Restore the table or folder, or evaluate the "
            "model on data of your own by mtl.evaluate."
        )


def _find_own_study(folder: Path, config: Mapping[str, Any], named: str | Path | Study | None) -> Study:
    """Return the study of a run, running no code but that of a built-in study or of what the user has named."""
    if named is None:
        source = config.get("source") or config["study"]
        if (folder / STUDY_FILE).is_file() and config.get("source_digest"):
            return study_of_run(folder, config["source_digest"])
        if source not in study_summaries():
            raise MTLError(
                f"A run of a study file must be evaluated with that file: no code is run that only a folder names. Received: "
                f"{folder} of {source!r}. Pass --study FILE (study= in Python)."
            )
        return load_study(source)
    study = find_study(named)
    if study.name != config["study"]:
        raise MTLError(
            f"A run must be evaluated with its own study. Received: {study.name!r} for {folder}, a run of {config['study']!r}. "
            "Name the file of that study."
        )
    recorded = config.get("source_digest")
    if study.source_digest is not None and recorded not in (None, study.source_digest):
        raise MTLError(
            f"A run must be evaluated with the study file that it was started with. Received: {study.source}, which has been "
            f"changed since {folder} was. Pass the unchanged file, or run it again."
        )
    return study
