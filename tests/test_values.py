"""Every field of every frozen value that users construct: a wrong value is refused by name, a right one survives its config.

What is invalid is one table for all fields. For each entry there is, within a second, either a value that equals the one that
is rebuilt from its configuration, or an `MTLError` in one line that names the field.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras import sharing, weighting
from mtl_keras.cli._options import read_changes
from mtl_keras.data import Data, Split
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options
from mtl_keras.search import Configuration, Context, Settings, resolve
from mtl_keras.tasks import Metric
from tests import _search, _tiny

#: What some field or other refuses. Each field gets all of it.
WRONG: dict[str, Any] = {
    "None": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus one": -1,
    "half": 0.5,
    "two and a half": 2.5,
    "minus half": -0.5,
    "nan": math.nan,
    "inf": math.inf,
    "minus inf": -math.inf,
    "a billion": 10**9,
    "a billion as float": 1e9,
    "1e30": 1e30,
    "10^400": 10**400,
    "two to the 32nd": 2**32,
    "empty text": "",
    "space": " ",
    "yes": "yes",
    "up": "../up",
    "nul": "a\0b",
    "line": "a\nb",
    "long text": "x" * 100_000,
    "bytes": b"name",
    "empty list": [],
    "empty dict": {},
    "list of bool": [True],
    "list of floats": [1.5],
    "list of a billion": [10**9],
    "list of lists": [[1]],
    "list of texts": ["a", "a"],
    "dict of nan": {"a": math.nan},
    "dict with another key": {1: 2},
    "dict of lists": {"a": []},
    "method that is none": {"method": "none"},
    "set": {1},
    "object": object(),
    "class": int,
    "array": np.array([1.5, 2.5]),
    "empty array": np.zeros(0),
    "np.int64": np.int64(3),
    "np.float32": np.float32(0.5),
    "np.float32 nan": np.float32("nan"),
    "np.bool_": np.bool_(True),
}

#: The package, for arguments of the wrong type.
LOOSE: Any = mtl
TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))
RECIPE = mtl.Recipe(TASKS, mtl.Backbone("SmallCNN", filters=(4,)), (8, 8, 1), shared=(6,))
NOISE = _tiny.data(16, 8)


def tasks_from(config: dict[str, Any]) -> Any:
    return mtl.tasks.from_config([config])[config["name"]]


def head_from(config: dict[str, Any]) -> Any:
    values = dict(config)
    return {"Head": mtl.Head, "Decoder": mtl.Decoder}[values.pop("kind")](**values)


#: By class: arguments that are valid, and how a value is written and read; None for values that have no configuration.
VALUES: dict[type, tuple[dict[str, Any], tuple[Callable[[Any], Any], Callable[[Any], Any]] | None]] = {
    **{
        kind: ({"name": "kind", **more}, (lambda task: task.config(), tasks_from))
        for kind, more in {
            mtl.Classification: {"classes": 3},
            mtl.Binary: {},
            mtl.MultiLabel: {"classes": 3},
            mtl.Ordinal: {"classes": 3},
            mtl.Regression: {},
            mtl.Reconstruction: {},
        }.items()
    },
    **{
        method: ({}, (lambda value: value.config(), weighting.get))
        for method in (getattr(weighting, name) for name in weighting.__all__)
        if isinstance(method, type) and not inspect.isabstract(method) and method.__name__ != "Weighting"
    },
    mtl.ClassMap: (
        {"column": "label", "groups": {"a": [0], "b": [1]}},
        (lambda v: v.config(), lambda c: mtl.ClassMap(c["column"], c["groups"])),
    ),
    mtl.RandomLabels: ({}, (lambda value: value.config(), lambda config: mtl.RandomLabels(config["seed"]))),
    mtl.Head: ({}, (mtl_config := (lambda head: importlib.import_module("mtl_keras.heads").config(head)), head_from)),
    mtl.Decoder: ({}, (mtl_config, head_from)),
    sharing.DenseStack: ({}, (lambda value: value.config(), sharing.from_config)),
    mtl.Backbone: ({"name": "SmallCNN"}, (lambda value: value.config(), mtl.Backbone.from_config)),
    mtl.Recipe: (
        {"tasks": TASKS, "backbone": RECIPE.backbone, "image_shape": (8, 8, 1)},
        (lambda value: value.config(), mtl.Recipe.from_config),
    ),
    mtl.Phase: ({"epochs": 2}, (lambda value: value.config(), lambda config: mtl.Phase(**config))),
    mtl.Plan: ({"recipe": RECIPE, "phases": (mtl.Phase(epochs=1),)}, None),
    Settings: ({}, (lambda value: value.config(), lambda config: Settings(**config))),
    Configuration: ({"summary": "One.", "plan": {"shared_depth": 1}}, None),
    Context: ({"tasks": TASKS, "settings": Settings(), "image_shape": (8, 8, 1)}, None),
    mtl.Study: ({"name": "mine", "summary": "Mine.", "tasks": TASKS, "data": "digits"}, None),
    Options: ({}, None),
    Metric: ({"name": "accuracy", "unit": "fraction", "direction": "max", "perfect": 1.0}, None),
    Data: ({f.name: getattr(NOISE, f.name) for f in dataclasses.fields(Data)}, None),
    Split: ({f.name: getattr(NOISE.train, f.name) for f in dataclasses.fields(Split)}, None),
}
#: Results, which only mtl-keras makes, base classes, and the arguments of an option that are no fields.
MADE = {"Decoded", "LabelSource", "Sharing", "Task", "Weighting", "LossWeighting", "GradientWeighting", "TrainingState"}
MADE |= {"Prepared", "Resolved", "StudyResult", "CacheEntry"}
#: Fields that a message calls by another word.
CALLED = {"name": "backbone", "backbone_options": "option of", "shared": "sharing", "weighting": "weight", "groups": "group"}
#: Fields whose values are not checked: whatever a study's own settings are, and a cache.
FREE = {("Context", "settings"), ("Split", "array_cache")}
#: More fields than a constructor shows: the options of a backbone.
OPTIONS: dict[type, tuple[str, ...]] = {
    mtl.Backbone: ("filters", "kernel_size", "strides", "pool", "padding", "norm", "dropout", "dropout_at")
}


def fields_of(kind: type) -> tuple[str, ...]:
    parameters = inspect.signature(kind).parameters.values()
    named = (p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
    return (*(name for name in named if (kind.__name__, name) not in FREE), *OPTIONS.get(kind, ()))


def outcome(make: Callable[[], Any], field: str) -> Any:
    """Return the value that is made within a second, or None if it is refused by name."""
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = make()
    except MTLError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 1500
        assert field in text or CALLED.get(field, field) in text.lower(), f"{field} is not named: {text}"
        value = None
    assert time.perf_counter() - began < 1
    return value


def test_every_frozen_value_is_in_the_table() -> None:
    packages = [importlib.import_module(f"mtl_keras{name}") for name in ("", ".backbones")]
    packages += [getattr(mtl, name) for name in ("tasks", "data", "sharing", "weighting", "search", "runs", "callbacks")]
    public: list[Any] = [getattr(package, name) for package in packages for name in package.__all__]
    kinds: list[Any] = [kind for kind in public if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
    frozen = {kind.__name__ for kind in kinds if kind.__dataclass_params__.frozen}
    assert frozen - {kind.__name__ for kind in VALUES} <= MADE


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_field_is_refused_by_name_or_survives(kind: type) -> None:
    valid, ways = VALUES[kind]
    for field in fields_of(kind):
        for label, wrong in WRONG.items():
            value = outcome(lambda: kind(**{**valid, field: wrong}), field)  # noqa: B023  # called at once
            if value is None or ways is None:
                continue
            write, read = ways
            text = json.dumps(write(value), allow_nan=False)
            again = read(json.loads(text))
            assert again == value, f"{kind.__name__}({field}={label}) is another value after its configuration"
            assert json.dumps(write(again), allow_nan=False) == text
            if kind not in (Settings, mtl.Phase, mtl.Recipe):
                assert hash(again) == hash(value)


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(Settings)])
def test_a_setting_of_the_command_line_is_refused_by_name_or_survives(field: str) -> None:
    texts = ["", " ", "yes", "no", "null", "true", "parity!", "0", "-1", "5", "2.5", "NaN", "Infinity", "-Infinity", "1e400"]
    texts += ["1e9", "1000000000", "9" * 6000, "x" * 9999, "[]", "{}", "[1.5]", "[" * 100_000, '["parity!"]']
    texts += ['{"a": NaN}', '{"method": 3}']
    study = dataclasses.replace(_search.STUDY, settings=Settings())

    def change(text: str) -> Settings:
        return resolve(study, read_changes([f"{field}={text}"], {})).settings

    for text in texts:
        settings = outcome(lambda: change(text), field)  # noqa: B023  # called at once
        if settings is not None:
            assert Settings(**json.loads(json.dumps(settings.config(), allow_nan=False))) == settings


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LOOSE.search.Settings(baselines="yes"), "`baselines` must be True or False. Received: baselines='yes'"),
        (lambda: LOOSE.search.Settings(baselines="parity!"), "baselines='parity!'"),
        (lambda: LOOSE.search.Settings(baselines=5), "baselines=5"),
        (lambda: LOOSE.search.Settings(backbone_options={"weights": None}), "'weights'. Pass --set weights=... instead"),
        (lambda: LOOSE.search.Settings(backbone_options={"name": "VGG16"}), "'name'. Pass --set backbone=... instead"),
        (lambda: LOOSE.search.Settings(seed=2**31), "`seed` must be an integer in [0, 2147483647]"),
        (lambda: LOOSE.Backbone("SmallCNN", filters=(10**9,)), "`filters` of SmallCNN must be an integer in [1, 1000000]"),
        (lambda: LOOSE.Backbone("MobileNet", alpha=math.nan), "`alpha` of MobileNet must be a number in (0, 64]"),
        (lambda: LOOSE.Backbone("SmallCNN", image_size=10**9), "`image_size` must be an integer in [1, 16384]"),
        (lambda: LOOSE.Classification("kind", classes=2.5), "classes=2.5"),
        (
            lambda: LOOSE.Classification("kind", classes=10**9),
            "must be an integer in [2, 1000000]. Received: classes=",
        ),
        (lambda: LOOSE.Binary("odd", label=5), "`label` of task 'odd' must be a text that is not empty. Received: label=5"),
        (lambda: LOOSE.Binary("x" * 260), "at most 100 characters. Received: name='xxxxxxxxxxxxxxxxxxxx...' (260 characters)"),
        (lambda: LOOSE.Head(dense=(True,)), "dense=True"),
        (lambda: LOOSE.Head(dense=(10**9,)), "`dense` of a head must be an integer in [1, 1000000]"),
        (lambda: LOOSE.weighting.Fixed({"kind": True}), "`weights['kind']` must be a number in [0, 1e+09]. Received"),
        (
            lambda: LOOSE.weighting.GradNorm(learning_rate=math.inf),
            "`learning_rate` of 'gradnorm' must be a number in",
        ),
        (lambda: LOOSE.Study("mine", None, TASKS, "digits"), "`summary` of a study must be a text that is not empty"),
        (lambda: LOOSE.Study("../evil", "Mine.", TASKS, "digits"), "The name of a study must be"),
        (lambda: NOISE.subset(1.5), "n_train=1.5"),  # type: ignore[arg-type]
        (
            lambda: dataclasses.replace(NOISE, class_names={"kind": ("a", "b")}),
            "Received: 2 names for the 3 classes of task 'kind'",
        ),
        (lambda: read_changes(["epochs=3", "epochs=4"], {}), "--set epochs=3 and --set epochs=4"),
        (lambda: LOOSE.tune(_search.STUDY, changes={"trials": 2}, trials=3), "trials by keyword and in `changes`"),
        (lambda: LOOSE.search.train_study(_search.STUDY, configuration=""), "received ''"),
    ],
)
def test_what_was_taken_without_a_look(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(MTLError) as refused:
        make()
    assert words in str(refused.value)


@pytest.mark.parametrize("rate", [math.nan, math.inf, 0, -1, 1e30, True])
def test_a_learning_rate_that_no_training_can_use_is_refused(rate: Any) -> None:
    with pytest.raises(MTLError, match=r"`learning_rate` of the optimizer must be a number in \(0, 1000\]"):
        mtl.Phase(epochs=1, optimizer={"class_name": "SGD", "config": {"learning_rate": rate}})
    fixed: Mapping[str, Any] = {"learning_rate": rate}
    with pytest.raises(MTLError, match="learning_rate"):
        resolve(_search.STUDY, fixed)


def test_a_whole_number_is_a_learning_rate() -> None:
    one = {"class_name": "SGD", "config": {"learning_rate": 1}}
    assert mtl.Phase(epochs=1, optimizer=one) == mtl.Phase(epochs=1, optimizer=keras.optimizers.SGD(1.0))


def test_numbers_of_numpy_are_taken_where_those_of_python_are() -> None:
    phase = LOOSE.Phase(epochs=np.int64(2), batch_size=np.int32(8))
    assert json.dumps(phase.config())
    assert LOOSE.Classification("kind", classes=np.int64(3)) == mtl.Classification("kind", classes=3)
    assert json.dumps(LOOSE.weighting.DWA(temperature=np.float32(2.0)).config()) == '"dwa"'
    assert json.dumps(LOOSE.Recipe(TASKS, "SmallCNN", (np.int64(8), 8, 1)).config())
    assert resolve(_search.STUDY, {"shared_depth": np.int64(1)}).fixed == {"shared_depth": 1}


def test_settings_that_a_study_adds_are_checked_by_their_types() -> None:
    landmarks = mtl.load_study("landmarks")
    with pytest.raises(MTLError, match=r"`folds` must be an integer"):
        landmarks.settings.change({"folds": "5"})
    with pytest.raises(MTLError, match=r"`derived` must be True or False. Received: derived='no'"):
        mtl.load_study("cifar100").settings.change({"derived": "no"})
