"""A study as a value: what is predicted, from what data, and which models are searched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras import data as data_sets
from mtl_keras.comparison import check_approach
from mtl_keras.data import Data
from mtl_keras.errors import (
    MTLError,
    check_bool,
    check_function,
    check_instance,
    check_instances,
    check_integers,
    check_mapping,
    check_names,
    check_path,
    check_text,
    describe,
    store,
    unknown,
)
from mtl_keras.files import check_name, check_source
from mtl_keras.report import Picture, Record, Table
from mtl_keras.runs import Plan
from mtl_keras.search._call import call_study
from mtl_keras.search._configuration import Configuration, Context
from mtl_keras.search._settings import DATA_SETTINGS, Settings
from mtl_keras.tables import Column
from mtl_keras.tasks import Tasks

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

__all__ = ["Study"]

#: Functions of a study that are called with the record of a finished run, and what they return.
JUDGING = {"claims": Sequence, "finding": str, "plots": Sequence, "tables": Sequence}
#: Where data comes from: a name, or a function of tasks, folder and seed of the split, and perhaps of folds and fold.
Source = str | Callable[..., Data]


@dataclass(frozen=True)
class Study:
    """What `mtl-keras tune NAME` runs.

    Args:
        name: Its name on the command line and the folder of its results.
        summary: A description in one line.
        tasks: What is predicted.
        data: A name that `mtl_keras.data.load` knows, or a function `(tasks, data_dir, split_seed) -> Data`. A function that
            takes `folds=None, fold=0` as well, for `mtl_keras.data.Splits`, can be cross-validated. For several data sets that
            are alternated, a mapping of each to the names of its tasks: `{"cifar10": ("class",), load: ("garment",)}`.
        image_shape: Shape of one input; None (default) is that of the data, which is then loaded first.
        space: A function `(hp, context) -> Plan`. It asks `hp` (a `keras_tuner.HyperParameters`) for values and returns what to
            build and train with them. It must always ask for all of them, within `hp.conditional_scope` for one that depends on
            another. None (default) is `mtl_keras.search.default_space`.
        settings: Default settings.
        quick: Changes of the settings, and values of hyperparameters, for a run of less than two minutes.
        configurations: Configurations that `train --configuration` and `reproduce` can name, in the order of the tables.
        split_per_seed: Whether training k of a comparison or a reproduction uses the split of seed `split_seed + k`, for data
            so small that the split matters more than the initial weights. With `split_folds` it has fold k in any case.
        claims: A function `(record) -> [{"claim": ..., "verdict": ...}]` that says what became of published claims. It is
            called if all configurations were run, and not after a quick run.
        finding: A function `(record) -> str` that returns the result in one sentence, called as `claims` is; None (default) has
            it written from the rows.
        plots: A function `(record) -> [Picture]` that returns plots to show in addition to the usual ones.
        tables: A function `(record) -> [Table]` that returns tables to show in addition to the usual one.
        source: The name or file from which `load_study` loaded it.
        source_digest: SHA-256 of the file, in hexadecimal.
        study_file: Text of the study file that it was made from, which the folder of a run keeps; None (default) for a study
            in Python.
        columns: Of rows of numbers, their columns; default those of the data, which is then loaded first.

    Raises:
        MTLError: If the name cannot be that of a folder.

    Example:
        >>> import mtl_keras as mtl
        >>> study = mtl.Study("mine", "Handwritten digits.", mtl.Tasks(mtl.Classification("digit", classes=10)), "digits")
        >>> study.settings.trials
        10
    """

    name: str
    summary: str
    tasks: Tasks
    data: Source | Mapping[Source, Sequence[str]]
    image_shape: tuple[int, ...] | None = None
    space: Callable[[HyperParameters, Context], Plan] | None = None
    settings: Settings = field(default_factory=Settings)
    quick: Mapping[str, Any] = field(default_factory=dict)
    configurations: Mapping[str, Configuration] = field(default_factory=dict)
    split_per_seed: bool = False
    claims: Callable[[Record], Sequence[Mapping[str, str]]] | None = None
    finding: Callable[[Record], str] | None = None
    plots: Callable[[Record], Sequence[Picture]] | None = None
    tables: Callable[[Record], Sequence[Table]] | None = None
    source: str | None = None
    source_digest: str | None = None
    study_file: str | None = None
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        check_name("a study", self.name)
        check_text("summary", self.summary, of="a study", example="Handwritten digits.")
        check_instance("tasks", self.tasks, Tasks, "Pass e.g. mtl.Tasks(mtl.Binary('parity')).", of="a study")
        self._check_source()
        if self.image_shape is not None:
            store(self, image_shape=check_integers("image_shape", self.image_shape, 1, of="a study"))
        store(self, columns=check_instances("columns", self.columns, Column, of="a study"))
        if self.space is not None:
            check_function("space", self.space, "hp", "context", of="a study")
        for name in JUDGING:
            if (value := getattr(self, name)) is not None:
                check_function(name, value, "record", of="a study")
        check_instance("settings", self.settings, Settings, "Pass mtl.search.Settings(...).", of="a study")
        given = check_mapping("configurations", self.configurations, of="a study")
        for name, each in given.items():
            # A reproduction makes an approach of each.
            check_approach("a configuration", name)
            check_instance(f"configurations[{name!r}]", each, Configuration, "Pass mtl.search.Configuration(...).")
        store(
            self,
            quick=check_mapping("quick", self.quick, of="a study", example="{'trials': 1}"),
            configurations=given,
            split_per_seed=check_bool("split_per_seed", self.split_per_seed, of="a study"),
        )
        self._check_changes()
        if self.source is not None:
            check_path("source", self.source, of="a study")
        if self.source_digest is not None:
            check_text("source_digest", self.source_digest, of="a study", maximum=64)
        if self.study_file is not None:
            check_text("study_file", self.study_file, of="a study")

    def _check_changes(self) -> None:
        """Check all changes of the settings that the study holds. Other names in `quick` are those of hyperparameters."""
        known = self.settings.config()
        held = {f"configurations[{name!r}].changes": each.changes for name, each in self.configurations.items()}
        held["quick"] = {name: value for name, value in self.quick.items() if name in known}
        for what, changes in held.items():
            try:
                self.settings.change(changes)
            except MTLError as error:
                raise MTLError(f"`{what}` of a study must be changes of its settings: {error}") from error

    def _check_source(self) -> None:
        """Check that the data is a name, a function, or a mapping of those to names of tasks."""
        for source in self.data if isinstance(self.data, Mapping) else (self.data,):
            if not (callable(source) or (isinstance(source, str) and source)):
                raise MTLError(
                    f"`data` of a study must be a name, a function, or a mapping of those to names of tasks. Received: "
                    f"data={describe(source)}. Pass e.g. data='digits'."
                )
            if callable(source):
                check_function("data", source, "tasks", "data_dir", "split_seed", of="a study")
        if isinstance(self.data, Mapping):
            for source, names in self.data.items():
                check_names(f"data[{describe(source)}]", names, of="a study")

    def check_folds(self, folds: int) -> None:
        """Refuse folds of data that has none.

        Raises:
            MTLError: If the data is a data set with splits of its own, or a function that takes no folds.
        """
        for source in self.data if isinstance(self.data, Mapping) else (self.data,):
            rule = "The data of a study must be a function (tasks, data_dir, split_seed, folds, fold) to be divided into folds."
            if isinstance(source, str):
                raise MTLError(
                    f"{rule} Received: folds={folds} for study {self.name!r}, whose data {source!r} has splits of its own. "
                    "Leave folds out."
                )
            try:
                check_function("data", source, "tasks", "data_dir", "split_seed", "folds", "fold")
            except MTLError as error:
                raise MTLError(
                    f"{rule} Received: folds={folds} for study {self.name!r}, whose function takes none. Let it pass them to "
                    "mtl.data.Splits, or leave folds out."
                ) from error

    @property
    def needs_data(self) -> bool:
        """Whether its data must be loaded before its models can be built."""
        rows = self.image_shape is not None and len(self.image_shape) == 1
        return self.image_shape is None or bool(self.tasks.unresolved) or (rows and not self.columns)

    @property
    def data_settings(self) -> tuple[str, ...]:
        """Names of the settings that the data depends on."""
        own = {f.name for f in dataclasses.fields(self.settings)} - {f.name for f in dataclasses.fields(Settings)}
        return (*DATA_SETTINGS, *sorted(own))

    def complete(self, record: Record, *, judge: bool = True) -> Record:
        """Return a record of a reproduction with the study's plots and tables.

        Pictures that the record has already, such as those of a delivered model that nobody can draw again, are kept.

        Args:
            record: The record.
            judge: Whether to add claims and finding; default True.
        """
        owner = f"study {self.name!r}"
        found: dict[str, Any] = {"claims": (), "finding": "", "plots": (), "tables": ()}
        for name, kind in JUDGING.items():
            function = getattr(self, name)
            if function is not None and (judge or name not in ("claims", "finding")):
                found[name] = call_study(name, owner, kind, function, record)
        own = {picture.name for picture in found["plots"]}
        kept = [picture for picture in record.plots if picture.name not in own]
        return replace(record, **{**found, "plots": [*found["plots"], *kept]})

    def configuration(self, name: str) -> Configuration:
        """Return a configuration by name.

        Raises:
            MTLError: If the study has none of that name.
        """
        if name not in self.configurations:
            hint = "" if self.configurations else f"{self.name!r} names no configurations: leave it out."
            raise unknown(f"configuration of {self.name!r}", name, self.configurations, hint)
        return self.configurations[name]

    def load(self, settings: Settings, data_dir: str | Path | None = None) -> Data:
        """Load the study's data.

        Args:
            settings: Of the study; those named in `data_settings` are used.
            data_dir: Root folder in which a data set is looked up.

        Raises:
            MTLError: If `data_dir` is no folder, the data is not found, a label is out of its task's range, or the data sets
                cannot be alternated.
        """
        where = None if data_dir is None else str(check_source("data_dir", data_dir))
        data = self._load_parts(settings, where)
        if settings.train_rows is not None:
            data = data.subset(settings.train_rows, seed=settings.split_seed)
        for mode, steps in (("repeat", settings.repeat), ("views", settings.views)):
            if steps:
                data = data.augment(steps, mode=mode, seed=settings.split_seed)
        return data.augment(settings.online, mode="online") if settings.online else data

    def _load_parts(self, settings: Settings, data_dir: str | None) -> Data:
        """Load the data set, or alternate several of them."""
        if settings.split_folds is not None:
            self.check_folds(settings.split_folds)

        def load(source: Source, tasks: Tasks) -> Data:
            if isinstance(source, str):
                return data_sets.load(source, tasks, data_dir=data_dir, seed=settings.split_seed)
            folds = () if settings.split_folds is None else (settings.split_folds, settings.split_fold)
            return call_study("data", f"study {self.name!r}", Data, source, tasks, data_dir, settings.split_seed, *folds)

        if isinstance(self.data, Mapping):
            parts = [(source, self.tasks.only(*names)) for source, names in self.data.items()]
            loaded = (load(source, tasks) for source, tasks in parts)
            return data_sets.alternate(*loaded, sampling=settings.sampling or "coin", steps=settings.steps)
        if settings.sampling is not None or settings.steps is not None:
            raise MTLError(
                f"`sampling` and `steps` must be left out unless data sets are alternated. Received: sampling="
                f"{settings.sampling!r}, steps={settings.steps!r} for study {self.name!r}, which has one. Leave both out."
            )
        return load(self.data, self.tasks)
