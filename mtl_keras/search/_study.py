"""A study as a value: what is predicted, from what, and which models are searched."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mtl_keras import data as data_sets
from mtl_keras import weighting as weightings
from mtl_keras.backbones import Backbone
from mtl_keras.comparison._plan import Plan
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, unknown
from mtl_keras.studies import studies_folder, study_summaries
from mtl_keras.tasks import Tasks

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Configuration", "Context", "Settings", "Study", "load_study"]

#: Settings that `Study.load` reads; those that a study adds may be read by its own loader.
DATA_SETTINGS = ("train_rows", "split_seed", "views", "enlarge", "online")
TUNERS = ("random", "bayesian", "hyperband", "grid")


@dataclass(frozen=True)
class Settings:
    """What a study fixes and a user may change by `--set field=value`; a study may subclass it with fields of its own.

    Args:
        backbone: Name of the trunk.
        backbone_options: Its options, e.g. `{"alpha": 0.25}`.
        weights: `"auto"`, `"imagenet"`, None, or a `.weights.h5` file.
        image_size: Side in px that images are resized to in the graph; None keeps their own.
        freeze: True, False, or the layer or block to train from.
        trials: How many trials the search runs at most.
        weighting: A word of `mtl_keras.weighting.METHODS`, or `{"method": word, option: value}`: how losses combine in the
            place of searched loss weights; None (default) searches them.
        epochs: Epochs of each training at most.
        patience: Epochs without improvement that end a training; None runs all.
        batch_size: Rows a step.
        tuner: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`.
        executions: Trainings of each trial, with different seeds; its score is their mean.
        seed: Of the search; every training's seed follows from it.
        final_seeds: Trainings of the best trial's configuration for the final figures, and of each single-task twin.
        final_epochs: Epochs of each phase of these; None (default) takes those of the trial.
        twins: Whether single-task twins are trained for the final figures; default True.
        train_rows: Rows to train on at most, with validation and test cut in proportion; None takes all.
        split_seed: Of the stratified validation split.
        views: Views of each training image, of which an epoch shows one; see `mtl_keras.data.Data.with_views`.
        enlarge: Views of each training image that are rows of their own; see `mtl_keras.data.Data.enlarged`.
        online: Changes of the training images that are drawn anew in each epoch; see `mtl_keras.data.Data.online`.
    """

    backbone: str = "SmallCNN"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = "auto"
    image_size: int | None = None
    freeze: bool | str = False
    trials: int = 10
    weighting: str | Mapping[str, Any] | None = None
    epochs: int = 10
    patience: int | None = None
    batch_size: int = 128
    tuner: str = "random"
    executions: int = 1
    seed: int = 0
    final_seeds: int = 3
    final_epochs: int | None = None
    twins: bool = True
    train_rows: int | None = None
    split_seed: int = 0
    views: Sequence[Any] = ()
    enlarge: Sequence[Any] = ()
    online: Sequence[Any] = ()

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "batch_size", "executions", "final_seeds", "train_rows", "patience", "final_epochs"):
            value = getattr(self, name)
            if value is None and name in ("train_rows", "patience", "final_epochs"):
                continue
            if type(value) is not int or value < 1:
                raise MTLError(f"`{name}` is a whole number of at least 1. Received: {name}={value!r}. Give e.g. {name}=3.")
        for name in ("seed", "split_seed"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value < 2**31:
                raise MTLError(f"`{name}` is a whole number in [0, 2^31). Received: {name}={value!r}. Give e.g. {name}=0.")
        if self.tuner not in TUNERS:
            raise unknown("tuner", self.tuner, TUNERS)
        if not isinstance(self.backbone, str):
            raise MTLError(f"`backbone` is a name. Received: backbone={self.backbone!r}. Give e.g. backbone=SmallCNN.")
        options = self.backbone_options
        if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
            raise MTLError(
                f"`backbone_options` maps names to values. Received: backbone_options={options!r}. "
                'Give e.g. backbone_options={"alpha": 0.25}.'
            )
        if self.weighting is not None:
            weightings.get(self.weighting)
        if not isinstance(self.freeze, bool | str):
            raise MTLError(f"`freeze` is true, false or the name of a layer. Received: freeze={self.freeze!r}. Give e.g. true.")

    def new_backbone(self) -> Backbone:
        """Return the backbone that these settings name.

        Raises:
            MTLError: If the name or an option is unknown.
        """
        return Backbone(self.backbone, weights=self.weights, image_size=self.image_size, **self.backbone_options)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return the settings with some fields replaced."""
        return replace(self, **changes)

    def config(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Context:
    """What a space function may look at.

    Attributes:
        tasks: What is predicted.
        settings: The study's settings after all changes.
        image_shape: Shape of one input.
    """

    tasks: Tasks
    settings: Any
    image_shape: tuple[int, ...]


@dataclass(frozen=True)
class Configuration:
    """One configuration that a study names, such as one that was published.

    Args:
        summary: One line on it.
        plan: `(context) -> Plan`; or values of the study's hyperparameters, of which its space makes the plan.
        changes: Changes of the study's settings that belong to it.
        seeds: Trainings in a reproduction; None (default) takes the study's `final_seeds`.
        twins: Whether a reproduction trains each task alone as well.
        published: Published figures, to stand beside: `{"task": ..., "metric": ..., "value": ..., "note": ...}` each, where
            the note says where it stands and may be left out.

    Raises:
        MTLError: If `seeds` is below 1, or a published figure lacks an entry or has one too many.
    """

    summary: str
    plan: Callable[[Context], Plan] | Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    twins: bool = False
    published: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        if self.seeds is not None and (type(self.seeds) is not int or self.seeds < 1):
            raise MTLError(f"`seeds` is a whole number of at least 1. Received: seeds={self.seeds!r}. Give e.g. seeds=3.")
        for row in self.published:
            if {"note", *row} != {"task", "metric", "value", "note"}:
                raise MTLError(
                    f"A published figure has task, metric, value and perhaps a note. Received: {dict(row)}. Give e.g. "
                    "{'task': 'fine', 'metric': 'accuracy', 'value': 0.76, 'note': 'Table 2'}."
                )


@dataclass(frozen=True)
class Study:
    """What `mtl-keras tune NAME` runs.

    Args:
        name: As on the command line; also the folder of its results.
        summary: One line for lists.
        tasks: What is predicted.
        data: A name that `mtl_keras.data.load` knows, or a function `(tasks, data_dir, split_seed) -> Data`.
        image_shape: Shape of one input of that data.
        space: `(hp, context) -> Plan`: asks `hp` (a `keras_tuner.HyperParameters`) for values and says what to build
            and train with them. It always asks for all of them, with `hp.conditional_scope` where one depends on
            another.
        settings: Defaults.
        quick: Changes that make a run of less than two minutes.
        configurations: What `train --configuration` and `reproduce` can name, in the order of the tables.
        by_split: Whether a reproduction's training k has the split of seed `split_seed + k`, for data so small that the
            split matters more than the initial weights.
        claims: `(rows of metrics.csv) -> [{"claim": ..., "verdict": ...}]`: what became of published claims. The rows are
            those of the configurations that were run, which may be some of them; a quick run is not judged.
        source: Name or file that `load_study` found it by.

    Example:
        >>> import mtl_keras as mtl
        >>> def space(hp, context):
        ...     shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(32, 64))
        ...     recipe = mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape, shared)
        ...     return mtl.search.Plan(recipe, (mtl.Phase(epochs=context.settings.epochs),))
        >>> study = mtl.Study("mine", "Digits.", mtl.Tasks(mtl.Classification("digit", classes=10)), "digits", (8, 8, 1), space)
        >>> study.settings.trials
        10
    """

    name: str
    summary: str
    tasks: Tasks
    data: str | Callable[[Tasks, str | None, int], Data]
    image_shape: tuple[int, ...]
    space: Callable[[HyperParameters, Context], Plan]
    settings: Settings = Settings()
    quick: Mapping[str, Any] = field(default_factory=dict)
    configurations: Mapping[str, Configuration] = field(default_factory=dict)
    by_split: bool = False
    claims: Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, str]]] | None = None
    source: str | None = None

    @property
    def data_settings(self) -> tuple[str, ...]:
        """Names of the settings that the data depends on."""
        own = {f.name for f in dataclasses.fields(self.settings)} - {f.name for f in dataclasses.fields(Settings)}
        return (*DATA_SETTINGS, *sorted(own))

    def configuration(self, name: str) -> Configuration:
        """Return a configuration by name.

        Raises:
            MTLError: If the study has no such one.
        """
        if name not in self.configurations:
            raise unknown(f"configuration of {self.name!r}", name, self.configurations)
        return self.configurations[name]

    def load(self, settings: Settings, data_dir: str | Path | None = None) -> Data:
        """Return the study's data.

        Raises:
            MTLError: If it is not found, or a label is outside its task's range.
        """
        where = None if data_dir is None else str(data_dir)
        if isinstance(self.data, str):
            loaded = data_sets.load(self.data, self.tasks, data_dir=where, seed=settings.split_seed)
        else:
            loaded = self.data(self.tasks, where, settings.split_seed)
        if settings.train_rows is not None:
            loaded = loaded.subset(settings.train_rows, seed=settings.split_seed)
        if settings.enlarge:
            loaded = loaded.enlarged(settings.enlarge, seed=settings.split_seed)
        if settings.views:
            loaded = loaded.with_views(settings.views, seed=settings.split_seed)
        return loaded.online(settings.online) if settings.online else loaded


def load_study(name: str | Path) -> Study:
    """Return a study by name or from a Python file that defines `STUDY`.

    Args:
        name: One that `mtl-keras studies` lists, or a path that ends in `.py`.

    Raises:
        MTLError: If there is no such study or file, or the file fails to import or does not define `STUDY`.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.load_study("digits").data
        'digits'
    """
    text = str(name)
    if text.endswith(".py") or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise MTLError(f"A study is a name or a Python file. Received: {text}, which is no file. Check the path.")
    elif text not in study_summaries():
        raise unknown("study", text, study_summaries(), "`mtl-keras studies` lists them; a path to a Python file works too.")
    else:
        path = studies_folder() / f"{text}.py"
    module = _import(path)
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise MTLError(
            f"A study file defines STUDY = mtl_keras.Study(...). Received: {path} with STUDY "
            f"{'missing' if study is None else f'= {study!r}'}. Add it at the end of the file."
        )
    return replace(study, source=text if text in study_summaries() else str(path.resolve()))


def _import(path: Path) -> ModuleType:
    """Import a study's file under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"mtl_keras_study_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise MTLError(f"A study file is Python. Received: {path}. Give a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    # Found by pickle and dataclasses while the file runs.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except MTLError:
        raise
    except (Exception, SystemExit) as error:
        raise MTLError(f"A study file imports without an error. Received: {path}: {type(error).__name__}: {error}.") from error
    return module
