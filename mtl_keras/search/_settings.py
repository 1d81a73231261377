"""What a study fixes and a user may change."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mtl_keras import weighting as weightings
from mtl_keras.backbones import Backbone
from mtl_keras.data import parse_sampling, parse_steps
from mtl_keras.errors import MTLError, unknown

__all__ = ["DATA_SETTINGS", "TUNERS", "Settings", "divided"]

#: Settings that `Study.load` reads; those that a study adds may be read by its own loader.
DATA_SETTINGS = ("train_rows", "split_seed", "sampling", "steps", "views", "repeat", "online")
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
        seeds_per_trial: Trainings of each trial, with different seeds; its score is their mean.
        seed: Of the search; every training's seed follows from it.
        n_final_seeds: Trainings of the best trial's configuration for the final figures, and of each single-task baseline.
        final_epochs: Epochs of each phase of these; None (default) takes those of the trial.
        baselines: Whether single-task baselines are trained for the final figures; default True.
        train_rows: Rows to train on at most, with validation and test cut in proportion; None takes all.
        split_seed: Of the stratified validation split.
        sampling: Which of a study's data sets a step is of; see `mtl_keras.data.alternate`. None (default) is `"coin"` where
            there are several.
        steps: Steps of each data set in an epoch; see there.
        views: Views of each training image, of which an epoch shows one; see `mtl_keras.data.Data.augment`.
        repeat: Views of each training image that are rows of their own; see there.
        online: Augmentation of the training images that is sampled anew in each epoch; see there.
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
    sampling: str | Mapping[str, Any] | None = None
    steps: str | Mapping[str, int] | None = None
    views: Sequence[Any] = ()
    repeat: Sequence[Any] = ()
    online: Sequence[Any] = ()

    def __post_init__(self) -> None:
        for name in (
            "trials",
            "epochs",
            "batch_size",
            "seeds_per_trial",
            "n_final_seeds",
            "train_rows",
            "patience",
            "final_epochs",
        ):
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
        if self.sampling is not None:
            parse_sampling(self.sampling)
        parse_steps(self.steps)
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


def divided(function: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return those arguments that a function of a study takes, and the rest, which are changes of its settings.

    Args:
        function: Takes a study, `changes`, and options by name.
        arguments: By name; what stands in `changes` is among the changes.
    """
    own = set(inspect.signature(function).parameters) - {"study", "changes"}
    options = {name: value for name, value in arguments.items() if name in own}
    changes = {name: value for name, value in arguments.items() if name not in own | {"changes"}}
    return options, {**arguments.get("changes", {}), **changes}
