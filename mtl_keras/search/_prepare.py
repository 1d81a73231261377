"""What `tune` and `train` check before anything is written: the folder, the changes, the data and the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mtl_keras.data import Data
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options, RunFolder, Trainer
from mtl_keras.search._from_file import STUDY_FILE
from mtl_keras.search._resolve import Resolved, resolve, resolve_settings, with_quick
from mtl_keras.search._settings import Settings
from mtl_keras.search._study import Study
from mtl_keras.training import check

__all__ = ["Prepared", "choose_folder", "complete_from", "load_data", "prepare"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a study's trainings need.

    Attributes:
        folder: The folder of the run; nothing is written yet.
        resolved: The study with all changes applied.
        data: Its data.
        trainer: Runs the trainings.
    """

    folder: RunFolder
    resolved: Resolved
    data: Data
    trainer: Trainer

    def config(self, command: Literal["tune", "train"]) -> dict[str, Any]:
        """Return what the folder of a run stores, as plain JSON values."""
        return {**self.resolved.config(command), "data": self.data.digests()}


def prepare(
    study: Study,
    command: Literal["tune", "train"],
    changes: Mapping[str, Any] | None,
    options: Options,
    *,
    configuration: str | None = None,
    data: Data | None = None,
) -> Prepared:
    """Choose the folder, apply the changes, load the data and build the default model, to see that all of it works.

    Args:
        study: The study.
        command: The command that runs it.
        changes: Settings, or hyperparameters to fix.
        options: Where to read and write, and how to execute it.
        configuration: Name of one of the study's configurations.
        data: Data to use instead of loading the study's own.

    Raises:
        MTLError: If a change or the folder is refused, the folder holds another run, the data is not what the study says,
            weights are unavailable, or a phase does not fit the model.
    """
    changes = with_quick(study, changes, options)
    folder = choose_folder(study, command, options)
    saved = folder.saved
    if saved is not None and (saved["command"], saved["study"]) != (command, study.name):
        raise MTLError(
            f"A run must be continued by its own command and study. Received: {command} {study.name} where {folder.path} holds "
            f"{saved['command']} {saved['study']}. Name another --output-dir."
        )
    if configuration is None:
        configuration = (saved or {}).get("configuration")
    # Columns that a study gives are for what is built without data: each split has means and codes of its own.
    if study.needs_data or study.columns:
        settings, _ = resolve_settings(study, changes, saved, configuration=configuration)
        data = data or load_data(study, settings, options)
        study = complete_from(study, data)
    resolved = resolve(study, changes, saved, configuration=configuration)
    folder.check(resolved.config(command))
    trainer = Trainer.open(resolved.settings.seed, options)
    data = data or load_data(study, resolved.settings, options)
    check_image_shape(study, data)
    folder.check_data(data)
    options.reporter.on_stage("Building the model")
    check(trainer.build(resolved.plan), resolved.plan.rows(data), resolved.plan.phases)
    return Prepared(folder, resolved, data, trainer)


def choose_folder(study: Study, command: Literal["tune", "train", "compare", "reproduce"], options: Options) -> RunFolder:
    """Return the folder of a run, which keeps the study file of the study if it has one; nothing is written yet."""
    folder = RunFolder(study.name, command, options)
    if study.study_file is not None:
        folder.texts[STUDY_FILE] = study.study_file
    return folder


def load_data(study: Study, settings: Settings, options: Options) -> Data:
    """Load a study's data and report it."""
    options.reporter.on_stage("Loading data")
    with options.loading():
        return study.load(settings, options.data_dir)


def complete_from(study: Study, data: Data) -> Study:
    """Return the study with the shape and columns of the inputs of its data, and the classes that its tasks leave to it.

    Raises:
        MTLError: If the study has another shape.
    """
    check_image_shape(study, data)
    tasks = data.tasks if study.tasks.unresolved else study.tasks
    return replace(study, image_shape=data.image_shape, columns=data.columns, tasks=tasks)


def check_image_shape(study: Study, data: Data) -> None:
    """Refuse data whose inputs have another shape than the study says."""
    if study.image_shape is not None and data.image_shape != study.image_shape:
        raise MTLError(
            f"The image shapes of data and study must agree. Received: {data.image_shape} for a study of "
            f"{study.image_shape}. Correct `image_shape` of the study."
        )
