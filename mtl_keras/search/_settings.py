"""The settings of a study, which a user may change."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mtl_keras import weighting as weightings
from mtl_keras.backbones import Backbone
from mtl_keras.data import parse_online, parse_sampling, parse_steps, parse_views
from mtl_keras.errors import (
    MTLError,
    check_bool,
    check_choice,
    check_count,
    check_integer,
    check_mapping,
    check_number,
    check_option,
    check_rows,
    check_seed,
    check_text,
    describe,
    store,
    unknown,
)
from mtl_keras.weighting import Weighting

__all__ = ["DATA_SETTINGS", "TUNERS", "Settings"]

#: Settings that `Study.load` reads. A study's own settings may be read by its own loader.
DATA_SETTINGS = ("train_rows", "split_seed", "split_folds", "split_fold", "sampling", "steps", "views", "repeat", "online")
TUNERS = ("random", "bayesian", "hyperband", "grid")
COUNTS = ("trials", "epochs", "seeds_per_trial", "n_final_seeds")
OPTIONAL_COUNTS = ("patience", "final_epochs")
#: Settings that hold mappings or sequences.
NESTED = ("backbone_options", "weighting", "sampling", "steps", "views", "repeat", "online")


@dataclass(frozen=True)
class Settings:
    """The settings of a study. A user changes them with `--set name=value`; a study may subclass them with its own.

    Args:
        backbone: Name of the backbone.
        backbone_options: Its options, e.g. `{"alpha": 0.25}`.
        weights: `"auto"` (default), `"imagenet"`, None, or a `.weights.h5` file.
        image_size: Side in px to which images are resized in the graph; None (default) keeps their size.
        freeze: True, False (default), or the layer or block from which on the backbone is trained; the default space then trains
            behind the cached output of what lies in front.
        trials: Maximum number of trials of the search.
        weighting: A name of `mtl_keras.weighting.METHODS`, or `{"method": name, option: value}`: how losses are combined
            instead of with searched loss weights; None (default) searches them.
        epochs: Maximum number of epochs of each training.
        patience: Epochs without improvement after which a training stops; None (default) trains all.
        batch_size: Rows per step.
        tuner: `"random"` (default), `"bayesian"`, `"hyperband"` or `"grid"`.
        seeds_per_trial: Trainings of each trial, from different seeds. Its score is their mean.
        seed: Seed of the search, from which the seed of every training is derived.
        n_final_seeds: Trainings of the best configuration, and of each of its single-task baselines, for the final results.
        final_epochs: Epochs of each phase of the final trainings; None (default) is those of the trial.
        baselines: Whether single-task baselines are trained for the final results; default True.
        train_rows: Maximum number of training rows, with validation and test reduced in proportion; None (default) uses all.
        split_seed: Seed of the stratified validation split.
        split_folds: Number of parts for cross-validation, of which one is the test split; None (default) for none. Training k
            of a comparison or a reproduction has fold k.
        split_fold: Which of them a search or a single training has, from 0 to `split_folds - 1`; default 0.
        sampling: For a study of several data sets, how the data set of each step is chosen; see `mtl_keras.data.alternate`.
            None (default) is `"coin"`.
        steps: Steps per epoch of each data set; see there.
        views: Fixed variants of each training image, one of which an epoch shows; see `mtl_keras.data.Data.augment`.
        repeat: Fixed variants of each training image, all of which an epoch shows; see there.
        online: Augmentation of the training images that differs from epoch to epoch; see there.

    Raises:
        MTLError: If a value is of another type or out of range.
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
    seeds_per_trial: int = 1
    seed: int = 0
    n_final_seeds: int = 3
    final_epochs: int | None = None
    baselines: bool = True
    train_rows: int | None = None
    split_seed: int = 0
    split_folds: int | None = None
    split_fold: int = 0
    sampling: str | Mapping[str, Any] | None = None
    steps: str | Mapping[str, int] | None = None
    views: Sequence[Any] = ()
    repeat: Sequence[Any] = ()
    online: Sequence[Any] = ()

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            **{name: check_count(name, getattr(self, name), example=3) for name in COUNTS},
            "batch_size": check_rows("batch_size", self.batch_size),
            **{name: check_seed(name, getattr(self, name)) for name in ("seed", "split_seed")},
            "baselines": check_bool("baselines", self.baselines),
            "backbone_options": check_mapping("backbone_options", self.backbone_options, example='{"alpha": 0.25}'),
        }
        for name in OPTIONAL_COUNTS:
            if (value := getattr(self, name)) is not None:
                checked[name] = check_count(name, value, example=3)
        if self.train_rows is not None:
            checked["train_rows"] = check_rows("train_rows", self.train_rows, example=1000)
        if self.split_folds is not None:
            checked["split_folds"] = check_count("split_folds", self.split_folds, minimum=2, example=5)
        last = (checked.get("split_folds") or 1) - 1
        checked["split_fold"] = check_integer("split_fold", self.split_fold, 0, last, example=0)
        store(self, **checked, **self._own())
        # As a configuration that was written and read has them.
        store(self, **{name: _as_json(getattr(self, name)) for name in NESTED})
        check_choice("tuner", self.tuner, TUNERS)
        check_text("backbone", self.backbone, example="SmallCNN")
        for name in ("name", "weights", "image_size"):
            if name in self.backbone_options:
                setting = "backbone" if name == "name" else name
                raise MTLError(
                    f"`backbone_options` must leave out what is a setting of its own. Received: backbone_options with "
                    f"{name!r}. Pass --set {setting}=... instead."
                )
        if not isinstance(self.freeze, bool | str) or self.freeze == "":
            raise MTLError(
                f"`freeze` must be true, false or the name of a layer. Received: freeze={describe(self.freeze)}. Pass "
                "e.g. true."
            )
        # Checks weights and options as well.
        store(self, image_size=Settings.new_backbone(self).image_size)
        self._check_data()
        if self.weighting is not None:
            weightings.get(self.weighting)

    def _check_data(self) -> None:
        """Check the settings that `Study.load` reads."""
        if self.sampling is not None:
            if not isinstance(self.sampling, str | Mapping):
                raise MTLError(
                    f"`sampling` must be a name or a mapping. Received: sampling={describe(self.sampling)}. Pass e.g. "
                    "sampling=coin."
                )
            parse_sampling(self.sampling)
        parse_steps(self.steps)
        for name, parse in (("views", parse_views), ("repeat", parse_views), ("online", parse_online)):
            value = getattr(self, name)
            try:
                if not isinstance(value, Sequence) or len(value):
                    parse(value)
            except MTLError as error:
                raise MTLError(f"The setting `{name}` must be valid steps: {error}") from error

    def _own(self) -> dict[str, Any]:
        """Return the settings that a study adds, checked by the types that they are annotated with."""
        known = {each.name for each in dataclasses.fields(Settings)}
        own = [each.name for each in dataclasses.fields(self) if each.name not in known]
        if not own:
            return {}
        try:
            hints = typing.get_type_hints(type(self))
        except NameError:
            # A study may import the types of its annotations for type checkers only.
            return {}
        return {name: _check_type(name, getattr(self, name), hints[name]) for name in own}

    def new_backbone(self) -> Backbone:
        """Return the backbone of these settings.

        Raises:
            MTLError: If its name or an option is unknown.
        """
        return Backbone(self.backbone, weights=self.weights, image_size=self.image_size, **self.backbone_options)

    def change(self, changes: Mapping[str, Any]) -> Settings:
        """Return the settings with some of them replaced.

        Raises:
            MTLError: If a name is that of no setting, or a value is refused.
        """
        known = [each.name for each in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise unknown("setting", name, known)
        return replace(self, **changes)

    def config(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return dataclasses.asdict(self)


def _as_json(value: Any) -> Any:
    """Return nested values as JSON holds them; a weighting as its configuration."""
    if isinstance(value, Mapping):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, Weighting):
        return value.config()
    return value.item() if isinstance(value, np.generic) else value


def _check_type(name: str, value: Any, hint: Any) -> Any:
    """Return the value of a study's own setting after checking it against its annotation; others than these are not checked."""
    kinds = typing.get_args(hint) or (hint,)
    if typing.get_origin(hint) is typing.Literal:
        return check_option(name, value, kinds)
    if value is None and type(None) in kinds:
        return value
    if bool in kinds:
        return check_bool(name, value)
    if float in kinds:
        return check_number(name, value)
    if int in kinds:
        return check_integer(name, value, -(2**31), 2**31, example=3)
    return check_text(name, value) if str in kinds else value
