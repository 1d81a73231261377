"""What a run would need later is checked before it starts, and results outlive a record that cannot be written."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.runs import Options, Reporter, Trainer
from mtl_keras.search import run_study
from tests import _search, _tiny

PHASE = mtl.Phase(epochs=1, batch_size=8)


@pytest.fixture
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def long_work(*arguments: Any, **options: Any) -> NoReturn:
        pytest.fail("a refused input was worked on")

    monkeypatch.setattr(keras.Model, "fit", long_work)


@pytest.mark.usefixtures("_no_training")
def test_folders_of_a_training_are_checked_before_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for arguments in ({"output_dir": file}, {"cache_dir": file / "cache"}, {"output_dir": "a\0b"}, {"cache_dir": "x" * 300}):
        with pytest.raises(MTLError, match=f"`{next(iter(arguments))}` must be a"):
            mtl.train(_tiny.model(), _tiny.data(16, 8), PHASE, **arguments)
    with pytest.raises(MTLError, match="`seed` must be an integer in"):
        mtl.train(_tiny.model(), _tiny.data(16, 8), PHASE, seed=-1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("_no_training")
def test_a_wrong_cache_folder_is_found_before_the_folder_of_the_run_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = Options(output_dir=tmp_path / "run", cache_dir=tmp_path / "file")
    with pytest.raises(MTLError, match=r"`cache_dir` must be a folder that can be written.* Pass another --cache-dir\."):
        run_study(_search.STUDY, None, options, data=_search.images())
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("_no_training")
def test_a_phase_that_trains_nothing_is_refused() -> None:
    model = _tiny.model()
    for freeze in (("backbone", "shared", "kind", "odd", "image"), tuple(layer.name for layer in model.layers)):
        with pytest.raises(MTLError, match="Received: phase 1, in which everything is frozen"):
            mtl.train(model, _tiny.data(16, 8), PHASE, mtl.Phase(epochs=1, batch_size=8, freeze=freeze), cache_dir=False)
    with pytest.raises(MTLError, match="in which everything is frozen"):
        mtl.train(
            model, _tiny.data(16, 8), mtl.Phase(epochs=1, batch_size=8, tasks=("odd",), freeze=("backbone", "shared", "odd"))
        )


@pytest.mark.usefixtures("_no_training")
def test_a_later_phase_that_freezes_the_backbone_is_refused_with_online_augmentation() -> None:
    data = _tiny.data(16, 8).augment("flip_lr", mode="online")
    frozen = mtl.Phase(epochs=1, batch_size=8, freeze=("backbone",))
    with pytest.raises(MTLError, match=r"Received: online augmentation and phase 1, .* instead, train the whole backbone"):
        mtl.train(_tiny.model(), data, PHASE, frozen)


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    "names", [("a b single", "a-b single"), ("x" * 101,), ("a\0",), ("a\nb",), ("",)], ids=lambda names: repr(names)[:20]
)
def test_approaches_that_would_share_a_folder_or_have_none_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    # Of a network each, so that each has baselines of its own.
    recipes = [_tiny.model(shared=(size,)).recipe for size in (3, 4)]
    plans = {name: mtl.Plan(recipe, (PHASE,)) for name, recipe in zip(names, recipes, strict=False)}
    with pytest.raises(MTLError, match=r"folders of their own|name.* of an approach"):
        mtl.compare(plans, _tiny.data(16, 8), seeds=2, output_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_the_trunk_of_a_model_with_the_same_backbone_is_taken() -> None:
    model = _tiny.model()
    inputs, inner = keras.Input(_tiny.SHAPE), keras.Input(_tiny.SHAPE)
    backbone = keras.Model(inner, keras.layers.Conv2D(4, 3)(inner), name="backbone")
    foreign = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(backbone(inputs)))
    other = _tiny.model(backbone=mtl.Backbone("SmallCNN", filters=(5,))).trunk
    for trunk in (keras.Sequential([keras.Input(_tiny.SHAPE), keras.layers.Flatten()]), foreign, other, "SmallCNN"):
        with pytest.raises(MTLError, match=r"`trunk` must be the `trunk` of a model with the same backbone and image shape"):
            mtl.build_model(model.recipe, trunk=trunk)
    assert mtl.build_model(model.recipe.only("odd"), trunk=model.trunk).get_layer("backbone") is model.get_layer("backbone")


def test_a_model_on_the_trunk_of_a_loaded_one_is_trained_saved_and_loaded(tmp_path: Path) -> None:
    _tiny.model().save(tmp_path / "first.keras")
    loaded = mtl.load_model(tmp_path / "first.keras")
    model = mtl.build_model(loaded.recipe.only("kind", "odd"), trunk=loaded.trunk)
    mtl.train(model, _tiny.data(16, 8).only("kind", "odd"), PHASE, cache_dir=False)
    model.save(tmp_path / "second.keras")
    images = _tiny.rows(3, 0)[0]
    again = mtl.load_model(tmp_path / "second.keras")
    for task, output in model(images).items():
        np.testing.assert_allclose(again(images)[task], output, atol=1e-6)


def leave(*arguments: Any) -> NoReturn:
    raise SystemExit(0)


def fail(*arguments: Any) -> NoReturn:
    raise KeyError("label")


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda *_: None, "Received: None. Correct what the function returns."),
        (lambda *_: 3, "Received: 3. Correct what the function returns."),
        (leave, r"Received: SystemExit: 0 in line \d+ of .*test_early_checks\.py\. Correct the function\."),
        (fail, r"Received: KeyError: 'label' in line \d+ of .*test_early_checks\.py\. Correct the function\."),
    ],
    ids=["None", "number", "exit", "raises"],
)
@pytest.mark.parametrize("field", ["space", "data"])
def test_a_function_of_a_study_returns_what_it_must(
    field: str, function: Callable[..., Any], words: str, tmp_path: Path
) -> None:
    wrong: dict[str, Any] = {field: function}
    study = dataclasses.replace(_search.STUDY, **wrong)
    kind = {"space": "Plan", "data": "Data"}[field]
    with pytest.raises(MTLError, match=rf"`{field}` of study 'made-up' must return a {kind}\. {words}") as caught:
        mtl.tune(study, output_dir=tmp_path / "run", trials=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "kind", "function"),
    [
        ("claims", "Sequence", lambda record: None),
        ("claims", "Sequence", fail),
        ("finding", "str", lambda record: 3),
        ("plots", "Sequence", lambda record: 3),
        ("tables", "Sequence", leave),
    ],
)
def test_what_a_study_says_of_a_record_is_checked(field: str, kind: str, function: Callable[..., Any]) -> None:
    wrong: dict[str, Any] = {field: function}
    study = dataclasses.replace(_search.STUDY, **wrong)
    with pytest.raises(MTLError, match=rf"`{field}` of study 'made-up' must return a {kind}\. Received: "):
        study.complete(mtl.report.Record("One", "Which?", "one", {}, {}, []))


@pytest.mark.parametrize("rows", ["better", [3], [("a", "b")], [{"claim": "Better."}], [{"claim": 3, "verdict": "Yes."}]])
def test_claims_are_rows_of_texts(rows: Any) -> None:
    study = dataclasses.replace(_search.STUDY, claims=lambda record: rows)
    with pytest.raises(MTLError, match="`claims`"):
        study.complete(mtl.report.Record("One", "Which?", "one", {}, {}, []))


@pytest.mark.usefixtures("stub_png")
def test_results_outlive_a_record_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = mtl.Plan(_tiny.model(mtl.Tasks(mtl.Binary("odd"))).recipe, (PHASE,))
    data = _tiny.data(16, 8).only("odd")

    def run(**options: Any) -> Any:
        return mtl.compare({"one": plan}, data, seeds=2, output_dir=tmp_path, cache_dir=tmp_path / "cache", **options)

    with monkeypatch.context() as patch:
        patch.setattr("mtl_keras.runs._folder.write_record", fail)
        with pytest.raises(MTLError, match=r"Received: KeyError: 'label' in .* All results are kept .* --resume --output-dir"):
            run()
    assert not (tmp_path / "README.md").exists()
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("a finished training was repeated"))
        run(resume=True)
    assert (tmp_path / "README.md").exists()


def test_a_longer_phase_is_named_as_what_differs_from_a_checkpoint(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"output_dir": tmp_path, "cache_dir": False}
    mtl.train(_tiny.model(), _tiny.data(16, 8), PHASE, **arguments)
    with pytest.raises(MTLError, match=r"which differs: phases\[0\]\.epochs is 2 and was 1\."):
        mtl.train(_tiny.model(), _tiny.data(16, 8), dataclasses.replace(PHASE, epochs=2), **arguments)


def test_an_interrupt_says_how_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any, **options: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "fit", interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        mtl.train(_tiny.model(), _tiny.data(16, 8), PHASE, output_dir=tmp_path / "training", cache_dir=False)
    assert stopped.value.__notes__ == [f"Interrupted: continue with the same call and output_dir='{tmp_path / 'training'}'."]
    with pytest.raises(KeyboardInterrupt) as stopped:
        mtl.train(_tiny.model(), _tiny.data(16, 8), PHASE, cache_dir=False)
    assert "pass output_dir to be able to continue" in stopped.value.__notes__[0]
    monkeypatch.setattr(Trainer, "train", interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run_study(_search.STUDY, None, Options(output_dir=tmp_path / "run", reporter=Reporter()), data=_search.images())
    assert f"continue with resume=True and output_dir='{tmp_path / 'run'}'" in stopped.value.__notes__[0]


@pytest.mark.usefixtures("_no_training")
def test_few_steps_are_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mtl_keras")
    with pytest.raises(pytest.fail.Exception):
        mtl.train(_tiny.model(), _tiny.data(160, 8), mtl.Phase(epochs=1, batch_size=64), cache_dir=False)
    said = [record.getMessage() for record in caplog.records if "An epoch has" in record.getMessage()]
    assert said == [
        "An epoch has 3 steps only: 160 rows in batches of 64. A smaller batch_size or more epochs give more updates."
    ]
