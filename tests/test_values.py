"""Every field of every frozen value that users construct: a wrong value is refused by name, a right one survives its config.

What is invalid is one table for all fields. For each entry there is, within a second, either a value that equals the one that
is rebuilt from its configuration, or an `MTLError` in one line that names the field.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import mtl_keras as mtl
from mtl_keras import report, sharing, weighting
from mtl_keras.cli._options import read_changes
from mtl_keras.comparison import Approach
from mtl_keras.data import Data, Split, Splits
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options
from mtl_keras.search import Configuration, Context, Settings, resolve
from mtl_keras.tasks import Metric
from tests import _scores, _search, _tiny

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
VALID_APPROACH: dict[str, Any] = {
    "name": "one",
    "plan": mtl.Plan(RECIPE, (mtl.Phase(epochs=1),)),
    "seeds": (0,),
    "data": lambda seed: NOISE,
}
STUDY = functools.partial(LOOSE.Study, "mine", "Mine.", TASKS, data="digits")
METRICS = _scores.rows_of([0.75, 0.5], [0.5, 0.5])
HISTORY = _scores.history()
CONFUSION: list[Any] = [
    {"run": "a", "seed": 0, "split": "test", "task": "digit", "true": 0, "predicted": 1, "count": 3, "role": "approach"}
]
BUDGET = report.Budget("multi-task", ("digit",), 30, 2)
TWO = mtl.Tasks(mtl.Classification("digit", classes=3), mtl.Binary("odd"))


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
    mtl.backbones.Joined: (
        {"trunks": {"photo": "SmallCNN", "row": "MLP"}},
        (lambda value: value.config(), mtl.backbones.from_config),
    ),
    mtl.Recipe: (
        {"tasks": TASKS, "backbone": RECIPE.backbone, "image_shape": (8, 8, 1)},
        (lambda value: value.config(), mtl.Recipe.from_config),
    ),
    mtl.Phase: ({"epochs": 2}, (lambda value: value.config(), lambda config: mtl.Phase(**config))),
    Approach: (VALID_APPROACH, None),
    report.Picture: ({"name": "curves.png", "caption": "Curves."}, None),
    report.Budget: ({"run": "a", "tasks": ("digit",), "rows": 30, "epochs": 2}, None),
    report.Sample: ({"image": "", "text": "digit: 3"}, None),
    report.Mistake: ({"row": 3, "truth": "3", "predicted": "8"}, None),
    report.TaskDetails: ({"kind": "Binary", "labeled": {"train": 3}}, None),
    report.Delivered: (
        {"run": "a", "seed": 0, "split": "validation", "inputs": {"input": (8, 8, 1)}, "rows": {"train": 3}, "tasks": {}},
        None,
    ),
    report.Table: ({"markdown": "| a |", "caption": "Numbers."}, None),
    report.Record: (
        {"title": "One", "question": "Which?", "command": "one", "config": {}, "environment": {}, "metrics": METRICS}
        | {"history": HISTORY, "trials": _scores.TRIALS},
        None,
    ),
    mtl.data.ImageOptions: ({}, None),
    mtl.Plan: ({"recipe": RECIPE, "phases": (mtl.Phase(epochs=1),)}, None),
    Settings: ({}, (lambda value: value.config(), lambda config: Settings(**config))),
    Configuration: ({"summary": "One.", "plan": {"shared_depth": 1}}, None),
    Context: ({"tasks": TASKS, "settings": Settings(), "image_shape": (8, 8, 1)}, None),
    mtl.Study: ({"name": "mine", "summary": "Mine.", "tasks": TASKS, "data": "digits"}, None),
    Options: ({}, None),
    Metric: ({"name": "accuracy", "unit": "fraction", "direction": "max", "perfect": 1.0}, None),
    Data: ({f.name: getattr(NOISE, f.name) for f in dataclasses.fields(Data)}, None),
    Splits: ({}, (lambda value: value.config(), Splits.from_config)),
    Split: ({f.name: getattr(NOISE.train, f.name) for f in dataclasses.fields(Split)}, None),
}
#: Results, which only mtl-keras makes, base classes, and the arguments of an option that are no fields.
MADE = {"Decoded", "LabelSource", "Sharing", "Task", "Weighting", "LossWeighting", "GradientWeighting", "TrainingState"}
MADE |= {"Prepared", "Resolved", "StudyResult", "CacheEntry", "Draft", "Source", "Comparison", "Difference", "Results"}
MADE |= {"ImageFacts", "SkippedRow", "Survey"}
#: Fields that a message calls by another word.
CALLED = {
    "name": "backbone",
    "trunks": "backbone",
    "backbone_options": "option of",
    "shared": "sharing",
    "weighting": "weight",
    "groups": "group",
}
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
    began = time.process_time()
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
    assert time.process_time() - began < 1
    return value


def test_every_frozen_value_is_in_the_table() -> None:
    packages = [importlib.import_module(f"mtl_keras{name}") for name in ("", ".backbones")]
    packages += [
        getattr(mtl, name) for name in ("tasks", "data", "sharing", "weighting", "search", "runs", "callbacks", "report")
    ]
    packages.append(importlib.import_module("mtl_keras.comparison"))
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of six images, of which a table lists all."""
    root = tmp_path_factory.mktemp("images")
    for number in range(6):
        path = root / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    lines = [f"{number % 2}/{number}.png,{number % 3},{number % 2}" for number in range(6)]
    root.with_suffix(".csv").write_text("\n".join(["path,kind,odd", *lines]), encoding="utf-8")
    return root


#: A function, valid arguments, and the arguments that are tried.
Tried = tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]


def data_functions(folder: Path) -> dict[str, Tried]:
    """Inputs and labels have tests of their own."""
    odd = mtl.Tasks(mtl.Binary("odd"))
    pair = (NOISE.only("kind"), dataclasses.replace(NOISE.only("odd"), name="other"))
    halves = {"column": "fine", "classes": 4, "seed": 0}
    table = {"table": folder.with_suffix(".csv"), "tasks": TASKS, "image": "path", "root": folder}
    tree = {"root": folder, "tasks": odd, "levels": ("odd",), "validation_per_class": 1}
    rows = tf.data.Dataset.from_tensor_slices((np.zeros((4, 8, 8, 1), "uint8"), {"odd": [0, 1, 0, 1]}))
    batches = ("batch_size", "seed", "epochs", "first_epoch", "at_least")
    return {
        "from_arrays": (
            mtl.data.from_arrays,
            {"tasks": TASKS, "train": _tiny.rows(16, 0)},
            ("tasks", "train", "validation", "test", "validation_fraction", "splits", "seed", "name", "class_names", "aliases"),
        ),
        "from_dataset": (
            functools.partial(mtl.data.from_dataset, rows, rows, None),
            {"tasks": odd},
            ("tasks", "name", "class_names"),
        ),
        "from_folders": (
            mtl.data.from_folders,
            tree,
            ("tasks", "validation_per_class", "test_per_class", "image_size", "seed", "name"),
        ),
        "from_table": (
            mtl.data.from_table,
            table,
            ("tasks", "image_size", "suffix", "splits", "on_error", "seed", "name"),
        ),
        "alternate": (functools.partial(mtl.data.alternate, *pair), {}, ("sampling", "steps", "image_size", "seed")),
        "subset": (NOISE.subset, {"n_train": 8}, ("n_train", "seed")),
        "stratified_folds": (mtl.data.stratified_folds, {"split": NOISE.train, "folds": 2, "seed": 0}, ("folds", "seed")),
        "batches": (NOISE.train.batches, {"batch_size": 8}, batches),
        "halves": (mtl.ClassMap.halves, halves, tuple(halves)),
        "binary_tasks": (
            mtl.tasks.binary_tasks,
            {"n": 4, "column": "fine", "classes": 4},
            ("n", "column", "classes", "groups", "n_random", "seed"),
        ),
    }


def report_functions(folder: Path) -> dict[str, Tried]:
    record = report.Record("One", "Which?", "one", {}, {}, METRICS, HISTORY)
    report.write_confusion(folder / "confusion.csv", CONFUSION)
    report.write_record(folder.with_name("done"), record)
    about = {"run": "a", "seed": 0}
    steps = {"phase": 0, "epoch": 1, "steps_a": 3, "val_odd_accuracy": 0.5, "val_odd_loss": 1.0}
    given: dict[str, dict[str, Any]] = {
        "delta_m_rows": {"metrics_rows": METRICS, "own_metrics": {"digit": "accuracy"}},
        "history_rows": {"history": [{"phase": 0, "epoch": 1, "loss": 1.0}], "tasks": ["digit"], **about},
        "metrics_rows": {"evaluation": _scores.evaluation(), **about, "phase": 0, "epoch_kind": "best"},
        "trivial_rows": {"evaluation": _scores.evaluation()},
        "confusion_rows": {"evaluation": _scores.evaluation(confusion={"digit": np.eye(2, dtype=int)}), **about},
        "confusion_counts": {"rows": CONFUSION},
        "read_confusion": {"path": folder / "confusion.csv"},
        "write_confusion": {"path": folder / "written.csv", "rows": CONFUSION},
        "merge_budgets": {"budgets": [BUDGET]},
        "resplit_ratio": {"metrics_rows": METRICS, "budgets": [BUDGET], "split": "test"},
        "budget_table": {"record": record, "shown": ["digit"]},
        "verdicts": {"differences": [report.difference(METRICS, "multi-task", "single-task", "digit")]},
        "plot_network": {"model": mtl.build_model(TWO, "SmallCNN", image_shape=(8, 8, 1))},
        "with_roles": {"rows": METRICS},
        "approaches_table": {"metrics_rows": METRICS},
        "phases_table": {"history_rows": HISTORY},
        "scores_table": {"metrics_rows": METRICS},
        "to_markdown": {"frame": report.scores_table(METRICS)},
        "trials_table": {"trial_rows": _scores.TRIALS},
        "difference": {"metrics_rows": METRICS, "one": "multi-task", "other": "single-task", "task": "digit"},
        "plot_approaches": {"metrics_rows": METRICS},
        "plot_confusion": {"counts": np.eye(2)},
        "plot_confusions": {"by_label": {"a": np.eye(2)}},
        "plot_gains": {"metrics_rows": METRICS},
        "plot_history": {"history_rows": HISTORY},
        "plot_loss_weights": {"history_rows": HISTORY},
        "plot_reconstructions": {"truth": np.zeros((1, 2, 2, 1)), "prediction": np.zeros((1, 2, 2, 1))},
        "plot_steps": {"history_rows": report.history_rows([steps], ["odd"], run="a", seed=0)},
        "plot_totals": {"history_rows": HISTORY},
        "plot_trials": {"trial_rows": _scores.TRIALS},
        "environment": {},
        "read_record": {"folder": folder},
        "read_trials": {"folder": folder},
        "write_index": {"file": folder / "index.html", "folders": [folder.with_name("done")]},
        "write_page": {"folder": folder},
        "write_record": {"folder": folder / "record", "record": record},
        "write_summary": {"results_folder": folder},
    }
    of_statistics: dict[str, dict[str, Any]] = {
        **{name: {"values": [0.5, 0.75]} for name in ("mean", "sample_sd")},
        **{name: {"differences": [0.5, 0.75]} for name in ("interval", "paired_test", "testable")},
        "holm": {"p_values": [0.01, 0.5]},
        "trial_skills": {"trial_rows": _scores.TRIALS},
    }
    found: dict[str, Tried] = {}
    for module, table in ((report, given), (report.statistics, of_statistics)):
        for name, arguments in table.items():
            function = getattr(module, name)
            found[name] = (function, arguments, tuple(inspect.signature(function).parameters))
    return found


def test_every_function_of_report_is_in_the_table(folder: Path) -> None:
    public = {
        name for module in (report, report.statistics) for name in module.__all__ if inspect.isfunction(getattr(module, name))
    }
    assert public <= report_functions(folder).keys()


@pytest.mark.usefixtures("stub_png")
@pytest.mark.parametrize("functions", [data_functions, report_functions])
def test_an_argument_is_refused_by_name_or_taken(
    functions: Callable[[Path], dict[str, Any]], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Some of the values are names of folders, which are written.
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for function, valid, fields in functions(folder).values():
        for field in fields:
            for wrong in WRONG.values():
                outcome(lambda: function(**{**valid, field: wrong}), field)  # noqa: B023  # called at once


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
        *(
            (
                lambda kind=kind: mtl.Recipe(LOOSE.Tasks(kind("a")), mtl.Backbone("SmallCNN"), (8, 8, 1)),
                "`classes` of a task must be known before a model is built. Received: none for a. Pass data.tasks",
            )
            for kind in (LOOSE.Classification, LOOSE.MultiLabel, LOOSE.Ordinal)
        ),
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
        (lambda: STUDY(quick={"trials": 0}), "`quick` of a study must be changes of its settings: `trials` must be an integer"),
        (
            lambda: STUDY(configurations={"a": Configuration("A.", {}, changes={"trails": 3})}),
            "`configurations['a'].changes` of a study must be changes of its settings: Unknown setting: received 'trails'",
        ),
        (
            lambda: STUDY(configurations={"a": Configuration("A.", {}, changes={"backbone": "Small"})}),
            "`configurations['a'].changes` of a study must be changes of its settings: Unknown backbone",
        ),
        (
            lambda: STUDY(configurations={"all": Configuration("A.", {})}),
            "The name of a configuration must not be one that results use. Received: a configuration called 'all'. Choose",
        ),
        (lambda: STUDY(configurations={"a/b": Configuration("A.", {})}), "The name of a configuration must be a text"),
        (lambda: STUDY(claims=[]), "`claims` of a study must be a function (record). Received: claims=[]"),
        (lambda: STUDY(finding=lambda: ""), "`finding` of a study must be a function (record). Received"),
        (lambda: STUDY(space=lambda hp: None), "`space` of a study must be a function (hp, context). Received"),
        (
            lambda: STUDY(data=lambda tasks: None),
            "`data` of a study must be a function (tasks, data_dir, split_seed). Received",
        ),
        (lambda: report.Picture("../a.png", "A."), "The name of a picture must be"),
        (lambda: report.plot_totals(HISTORY, how="max"), "`how` must be one of 'sum', 'mean'. Received: how='max'"),
        (
            lambda: report.scores_table([{**METRICS[0], "value": "0.5"}]),  # type: ignore[typeddict-item]
            "Received: value='0.5' in row 0. Pass the rows of metrics_rows.",
        ),
        (lambda: LOOSE.RandomLabels(seed=2**31), "`seed` of random labels must be an integer in [0, 2147483647]"),
        (lambda: mtl.tasks.binary_tasks(4, "fine", 4, seed=2**31 - 1), "`seed` must be an integer in [0, 2147483643]"),
        (lambda: LOOSE.Phase(epochs=10**7), "`epochs` must be an integer in [1, 1000000]. Received: epochs=10000000"),
        (lambda: LOOSE.search.Settings(trials=10**7), "`trials` must be an integer in [1, 1000000]"),
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


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("name", "a/b", "The name of an approach must be"),
        ("plan", mtl.Phase(epochs=1), "`plan` of an approach must be a Plan. Received"),
        ("seeds", 3, "`seeds` of an approach must be different numbers of trainings. Received: seeds=3"),
        ("seeds", (0, 0), "`seeds` of an approach must be different numbers of trainings. Received: seeds=(0, 0)"),
        ("seeds", (0, 0.5), "`seeds` of an approach must be an integer in [0, 1000000]. Received: seeds=0.5"),
        ("data", NOISE, "`data` of an approach must be a function (seed). Received"),
        ("baselines", "odd", "`baselines` of an approach must be a sequence of names. Received: baselines='odd'"),
    ],
)
def test_an_approach_is_checked_when_it_is_made(field: str, wrong: Any, words: str) -> None:
    with pytest.raises(MTLError) as refused:
        Approach(**{**VALID_APPROACH, field: wrong})
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
