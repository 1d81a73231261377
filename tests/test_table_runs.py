"""Rows of a table through searches and comparisons: each split has its own encoder, and nothing mixes them up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pandas as pd
import pytest

import mtl_keras as mtl
from mtl_keras.backbones import Backbone
from mtl_keras.errors import MTLError
from mtl_keras.search import Context, Settings, default_space
from mtl_keras.tables import Column, TableEncoder

TASKS = mtl.Tasks(mtl.Binary("rich"), mtl.Regression("age"))
ROWS = 90
INPUTS = {"height": "number", "city": "category"}


def load(tasks: mtl.Tasks = TASKS, data_dir: str | None = None, split_seed: int = 0) -> mtl.data.Data:
    """A table with a category of so many values that each split has its own codes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"height": rng.normal(170, 9, ROWS), "city": [f"city {number // 2}" for number in range(ROWS)]})
    frame["rich"], frame["age"] = (frame["height"] > 170).astype(int), frame["height"] / 4
    splits = mtl.data.Splits(validation=0.2, test=0.2)
    return mtl.data.from_table(frame, tasks, inputs=INPUTS, splits=splits, seed=split_seed)


STUDY = mtl.Study(
    "rows", "Rows of a table.", TASKS, load, settings=Settings(backbone="MLP", trials=1, epochs=1, n_final_seeds=1)
)


def test_data_of_a_table_has_its_encoder() -> None:
    data = load()
    assert data.encoder is not None
    assert data.columns == data.encoder.columns
    assert [column.name for column in data.columns] == ["height", "city"]
    assert data.only("rich").encoder == data.subset(20).encoder == data.encoder
    # Learned from the training rows alone.
    assert data.columns[0].mean == pytest.approx(data.train.x[:, 0].mean(), rel=1e-6)
    assert data.columns[1].size == len(np.unique(data.train.x[:, 1])) + 1
    assert load(split_seed=1).encoder != data.encoder


def test_the_default_space_asks_for_the_mlp() -> None:
    data = load()
    hp = keras_tuner.HyperParameters()
    context = Context(TASKS, Settings(backbone="MLP", backbone_options={"width": 32}), (2,), data.columns)
    backbone = default_space(hp, context).recipe.backbone
    assert backbone.columns == data.columns
    assert {name for name in hp.values if name.startswith("backbone_")} == {"backbone_depth", "backbone_dropout"}
    assert dict(backbone.options)["width"] == 32
    hp = keras_tuner.HyperParameters()
    default_space(hp, context, ranges={"backbone_depth": [4], "backbone_dropout": [0.2, 0.4]})
    assert "backbone_depth" not in hp.values
    assert hp.values["backbone_dropout"] == 0.2
    images = Context(TASKS, Settings(), (8, 8, 1))
    assert default_space(keras_tuner.HyperParameters(), images).recipe.backbone == Backbone("SmallCNN")
    with pytest.raises(MTLError, match="`columns` of a context must be a sequence, each a Column"):
        Context(TASKS, Settings(), (2,), ("height",))


def test_a_search_leaves_the_encoder_in_its_folder(tmp_path: Path) -> None:
    mtl.tune(STUDY, output_dir=tmp_path, baselines=False)
    encoder = load().encoder
    assert TableEncoder.load(tmp_path) == mtl.load_model(tmp_path).encoder == encoder
    evaluation = mtl.search.evaluate_run(tmp_path, split="validation", study=STUDY)
    assert np.isfinite(evaluation.skill)


def test_a_table_that_was_changed_is_not_evaluated(tmp_path: Path) -> None:
    """One more row divides all of them otherwise, so that training rows would be held out."""
    lines = [f"{city},{row % 7 % 2}" for row, city in enumerate(["a", "b", "c"] * 20)]
    (tmp_path / "t.csv").write_text("\n".join(["city,y", *lines]))
    text = '[table]\npath = "t.csv"\n[inputs.columns]\ncity = "category"\n[tasks.y]\nkind = "Binary"\n[splits]\ntest = 0.2\n'
    (tmp_path / "t.toml").write_text(text + '[settings]\nbackbone = "MLP"\nepochs = 1\n')
    folder = tmp_path / "run"
    mtl.search.train_study(mtl.load_study(tmp_path / "t.toml"), options=mtl.runs.Options(output_dir=folder))
    assert np.isfinite(mtl.search.evaluate_run(folder, "test").skill)
    (tmp_path / "t.csv").write_text("\n".join(["city,y", *lines, "a,1"]))
    with pytest.raises(MTLError, match="must be evaluated on the rows that it was started with.* Restore the table"):
        mtl.search.evaluate_run(folder, "test")


def test_each_training_of_a_comparison_has_the_columns_of_its_rows(tmp_path: Path) -> None:
    splits = {seed: load(split_seed=seed) for seed in range(2)}
    plan = mtl.Plan(
        mtl.Recipe(TASKS, Backbone("MLP", columns=splits[0].columns, width=4), (2,)), (mtl.Phase(epochs=1, batch_size=16),)
    )
    assert plan.for_data(splits[0]) is plan
    assert plan.for_data(splits[1]).recipe.backbone.columns == splits[1].columns
    from mtl_keras.comparison import Approach, run_approaches
    from mtl_keras.runs import Options, Trainer

    trainer = Trainer.open(0, Options(cache_dir=tmp_path / "cache"))
    approaches = [Approach("one", plan, range(2), splits.__getitem__)]
    results = run_approaches(trainer, tmp_path, tmp_path / "jobs", approaches, seed=0, what={"command": "test"})
    assert results.model.encoder == splits[results.seed].encoder
    assert results.model.recipe.backbone.columns == splits[results.seed].columns
    assert {row["split"] for row in results.metrics if row["run"] == "one"} == {"validation", "test"}


def test_a_model_of_another_split_is_refused() -> None:
    data, other = load(), load(split_seed=1)
    model = mtl.build_model(TASKS, Backbone("MLP", columns=data.columns, width=4), image_shape=(2,))
    with pytest.raises(
        MTLError, match=r"must be those of the data\. Received: column 'height' with mean=.* in the model and mean="
    ):
        mtl.train(model, other, mtl.Phase(epochs=1))
    mtl.train(model, data, mtl.Phase(epochs=1))
    assert model.encoder == data.encoder
    assert np.isfinite(mtl.evaluate(model, data, "test").skill)
    with pytest.raises(MTLError, match=r"must be encoded as in training\. Received: column 'height' with mean="):
        mtl.evaluate(model, other, "test")


def test_tables_with_different_encoders_are_not_alternated() -> None:
    sets: list[Any] = [replace(load(split_seed=seed).only(task), name=task) for seed, task in enumerate(TASKS)]
    with pytest.raises(MTLError, match="must be encoded alike"):
        mtl.data.alternate(*sets)
    alike = [replace(load().only(task), name=task) for task in TASKS]
    assert mtl.data.alternate(*alike).encoder == load().encoder


def test_a_study_knows_its_columns_before_its_models_are_built() -> None:
    assert replace(STUDY, image_shape=(2,)).needs_data
    assert not replace(STUDY, image_shape=(2,), columns=load().columns).needs_data
    assert not replace(STUDY, image_shape=(8, 8, 1)).needs_data
    with pytest.raises(MTLError, match="`columns` of a study must be a sequence"):
        replace(STUDY, columns=(Column("a", "number"), "b"))


def test_columns_that_a_study_gives_are_replaced_by_those_of_its_data(tmp_path: Path) -> None:
    """They are for what is built without data; each split has means and codes of its own."""
    columns = tuple(replace(column, mean=0.0, scale=1.0) for column in load().columns)
    study = replace(STUDY, name="given", image_shape=(2,), columns=columns)
    result = mtl.tune(study, baselines=False, output_dir=tmp_path / "run")
    assert result.model.recipe.backbone.columns == load().columns
