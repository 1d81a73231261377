"""A study as a value: what is predicted, from what, and which models are searched."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mtl_keras import data as data_sets
from mtl_keras.comparison._plan import Plan
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, unknown
from mtl_keras.report import Picture, Record, Table
from mtl_keras.search._settings import DATA_SETTINGS, Settings
from mtl_keras.studies import studies_folder, study_summaries
from mtl_keras.tasks import Tasks

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Configuration", "Context", "Study", "load_study"]

#: Where data come from: a name, or a function of tasks, folder and seed.
Source = str | Callable[[Tasks, str | None, int], Data]


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
        seeds: Trainings in a reproduction; None (default) takes the study's `n_final_seeds`.
        baselines: Whether a reproduction trains each task alone as well; or the names of those that it does.
        published: Published figures, to stand beside: `{"task": ..., "metric": ..., "value": ..., "note": ...}` each, where
            the note says where it stands and may be left out. `"run": "single-task"` puts one beside the baselines.

    Raises:
        MTLError: If `seeds` is below 1, or a published figure lacks an entry or has one too many.
    """

    summary: str
    plan: Callable[[Context], Plan] | Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    seeds: int | None = None
    baselines: bool | Sequence[str] = False
    published: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        if self.seeds is not None and (type(self.seeds) is not int or self.seeds < 1):
            raise MTLError(f"`seeds` is a whole number of at least 1. Received: seeds={self.seeds!r}. Give e.g. seeds=3.")
        for row in self.published:
            if {"note", "run", *row} != {"task", "metric", "value", "note", "run"}:
                raise MTLError(
                    f"A published figure has task, metric, value and perhaps note and run. Received: {dict(row)}. Give e.g. "
                    "{'task': 'fine', 'metric': 'accuracy', 'value': 0.76, 'note': 'Table 2'}."
                )


@dataclass(frozen=True)
class Study:
    """What `mtl-keras tune NAME` runs.

    Args:
        name: As on the command line; also the folder of its results.
        summary: One line for lists.
        tasks: What is predicted.
        data: A name that `mtl_keras.data.load` knows, or a function `(tasks, data_dir, split_seed) -> Data`. Of several that
            are alternated, a mapping of each to the names of its tasks: `{"cifar10": ("class",), clothing: ("garment",)}`.
        image_shape: Shape of one input of that data.
        space: `(hp, context) -> Plan`: asks `hp` (a `keras_tuner.HyperParameters`) for values and says what to build
            and train with them. It always asks for all of them, with `hp.conditional_scope` where one depends on
            another.
        settings: Defaults.
        quick: Changes that make a run of less than two minutes.
        configurations: What `train --configuration` and `reproduce` can name, in the order of the tables.
        split_per_seed: Whether a reproduction's training k has the split of seed `split_seed + k`, for data so small that the
            split matters more than the initial weights.
        claims: `(record) -> [{"claim": ..., "verdict": ...}]`: what became of published claims. It is called if all
            configurations were run, and not after a quick run.
        finding: `(record) -> str`: the result in one sentence, called as `claims` is; None (default) has it written from the
            rows.
        plots: `(record) -> [Picture]`: plots that its records show besides the usual ones.
        tables: `(record) -> [Table]`: tables that its records show besides the usual one.
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
    data: Source | Mapping[Source, Sequence[str]]
    image_shape: tuple[int, ...]
    space: Callable[[HyperParameters, Context], Plan]
    settings: Settings = field(default_factory=Settings)
    quick: Mapping[str, Any] = field(default_factory=dict)
    configurations: Mapping[str, Configuration] = field(default_factory=dict)
    split_per_seed: bool = False
    claims: Callable[[Record], Sequence[Mapping[str, str]]] | None = None
    finding: Callable[[Record], str] | None = None
    plots: Callable[[Record], Sequence[Picture]] | None = None
    tables: Callable[[Record], Sequence[Table]] | None = None
    source: str | None = None

    @property
    def data_settings(self) -> tuple[str, ...]:
        """Names of the settings that the data depends on."""
        own = {f.name for f in dataclasses.fields(self.settings)} - {f.name for f in dataclasses.fields(Settings)}
        return (*DATA_SETTINGS, *sorted(own))

    def complete(self, record: Record, *, judge: bool = True) -> Record:
        """Return a record with the study's plots and tables.

        Args:
            record: Of a reproduction.
            judge: Whether to add claims and finding (default).
        """
        return replace(
            record,
            claims=self.claims(record) if self.claims and judge else (),
            finding=self.finding(record) if self.finding and judge else "",
            plots=self.plots(record) if self.plots else (),
            tables=self.tables(record) if self.tables else (),
        )

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
            MTLError: If it is not found, a label is outside its task's range, or data sets cannot be alternated.
        """
        where = None if data_dir is None else str(data_dir)

        def one(source: Source, tasks: Tasks) -> Data:
            if isinstance(source, str):
                return data_sets.load(source, tasks, data_dir=where, seed=settings.split_seed)
            return source(tasks, where, settings.split_seed)

        if isinstance(self.data, Mapping):
            parts = [(source, self.tasks.only(*names)) for source, names in self.data.items()]
            loaded = data_sets.alternate(
                *(one(source, tasks) for source, tasks in parts), sampling=settings.sampling or "coin", steps=settings.steps
            )
        elif settings.sampling is not None or settings.steps is not None:
            raise MTLError(
                f"An alternation takes at least two data sets. Received: sampling={settings.sampling!r}, steps="
                f"{settings.steps!r} for study {self.name!r}, which has one. Leave both out."
            )
        else:
            loaded = one(self.data, self.tasks)
        if settings.train_rows is not None:
            loaded = loaded.subset(settings.train_rows, seed=settings.split_seed)
        for mode, steps in (("repeat", settings.repeat), ("views", settings.views)):
            if steps:
                loaded = loaded.augment(steps, mode=mode, seed=settings.split_seed)
        return loaded.augment(settings.online, mode="online") if settings.online else loaded


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
    # A package for its folder, so that a study can import what lies next to it (`from ._shared import ...`).
    package = f"mtl_keras_study_{hashlib.sha256(str(path.parent.resolve()).encode()).hexdigest()[:8]}"
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(path.parent)]
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}", path)
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
