"""The settings of a study, which a user may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mtl_keras import weighting as weightings
from mtl_keras.backbones import Backbone
from mtl_keras.data import parse_sampling, parse_steps
from mtl_keras.errors import MTLError, check_integer, unknown

__all__ = ["DATA_SETTINGS", "TUNERS", "Settings"]

#: Settings that `Study.load` reads. A study's own settings may be read by its own loader.
DATA_SETTINGS = ("train_rows", "split_seed", "sampling", "steps", "views", "repeat", "online")
TUNERS = ("random", "bayesian", "hyperband", "grid")


@dataclass(frozen=True)
class Settings:
    """The settings of a study. A user changes them with `--set name=value`; a study may subclass them with its own.

    Args:
        backbone: Name of the backbone.
        backbone_options: Its options, e.g. `{"alpha": 0.25}`.
        weights: `"auto"` (default), `"imagenet"`, None, or a `.weights.h5` file.
        image_size: Side in px to which images are resized in the graph; None (default) keeps their size.
        freeze: True, False (default), or the layer or block from which on the backbone is trained.
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
    sampling: str | Mapping[str, Any] | None = None
    steps: str | Mapping[str, int] | None = None
    views: Sequence[Any] = ()
    repeat: Sequence[Any] = ()
    online: Sequence[Any] = ()

    def __post_init__(self) -> None:
        for name in ("trials", "epochs", "batch_size", "seeds_per_trial", "n_final_seeds"):
            check_integer(name, getattr(self, name), 1, example=3)
        for name in ("train_rows", "patience", "final_epochs"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, example=3)
        for name in ("seed", "split_seed"):
            check_integer(name, getattr(self, name), 0, 2**31 - 1)
        if self.tuner not in TUNERS:
            raise unknown("tuner", self.tuner, TUNERS)
        if not isinstance(self.backbone, str):
            raise MTLError(f"`backbone` must be a name. Received: backbone={self.backbone!r}. Pass e.g. backbone=SmallCNN.")
        options = self.backbone_options
        if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
            raise MTLError(
                f"`backbone_options` must map names to values. Received: backbone_options={options!r}. "
                'Pass e.g. backbone_options={"alpha": 0.25}.'
            )
        if self.sampling is not None:
            parse_sampling(self.sampling)
        parse_steps(self.steps)
        if self.weighting is not None:
            weightings.get(self.weighting)
        if not isinstance(self.freeze, bool | str):
            raise MTLError(
                f"`freeze` must be true, false or the name of a layer. Received: freeze={self.freeze!r}. Pass e.g. true."
            )

    def new_backbone(self) -> Backbone:
        """Return the backbone of these settings.

        Raises:
            MTLError: If its name or an option is unknown.
        """
        return Backbone(self.backbone, weights=self.weights, image_size=self.image_size, **self.backbone_options)

    def change(self, changes: Mapping[str, Any]) -> Settings:
        """Return the settings with some of them replaced."""
        return replace(self, **changes)

    def config(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return dataclasses.asdict(self)
