"""Skill made of any metric of a task: computed of all validation rows where it is no mean over rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import mtl_keras as mtl
from mtl_keras.errors import MTLError

N = 60
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (N, 6, 6, 1)).astype(np.uint8)
YES = (np.arange(N) % 6 == 0).astype(float)
KIND = np.arange(N) % 3


def load(*tasks: mtl.tasks.Task, yes: np.ndarray = YES) -> mtl.data.Data:
    return mtl.data.from_arrays(mtl.Tasks(*tasks), (IMAGES, {"yes": yes, "kind": KIND}), validation_fraction=0.4)


@pytest.mark.parametrize("freeze", [False, True])
def test_skill_and_monitor_are_those_of_the_metric_that_is_named(freeze: bool, tmp_path: Any) -> None:
    keras.utils.set_random_seed(1)
    yes = YES.copy()
    yes[::7] = np.nan
    data = load(mtl.Binary("yes", skill="auc"), mtl.Classification("kind"), yes=yes)
    model = mtl.build_model(data.tasks, image_shape=data.image_shape, freeze=freeze)
    run = mtl.train(model, data, mtl.Phase(epochs=3, monitor="val_yes_auc"), cache_dir=tmp_path)
    aucs = [row["val_yes_auc"] for row in run.history]
    assert run.best.value == max(aucs)
    assert len(set(aucs)) > 1
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    best = run.history[run.best.epoch - 1]
    assert evaluation.value("yes", "auc") == pytest.approx(run.best.value)
    rows = data.validation.weight["yes"] > 0
    outputs = mtl.prediction.predict(model, data.validation)["yes"][rows, 0]
    assert run.best.value == pytest.approx(roc_auc_score(data.validation.y["yes"][rows], outputs))
    assert best["val_skill"] == pytest.approx(evaluation.skill, rel=1e-5)
    own = {score.task: score.skill for score in evaluation.scores if score.skill is not None}
    assert own["yes"] == pytest.approx((run.best.value - 0.5) / 0.5)
    assert evaluation.skill == pytest.approx(np.mean(list(own.values())))
    # Accuracy is logged as before; on training rows there is no AUC, and no skill.
    assert {"yes_accuracy", "val_yes_accuracy", "kind_accuracy"} <= set(best)
    assert not {"yes_auc", "skill"} & set(best)


def test_results_show_it_as_the_metric_of_the_task() -> None:
    data = load(mtl.Binary("yes", skill="auc"))
    evaluation = mtl.evaluate(mtl.build_model(data.tasks, image_shape=data.image_shape), data, cache_dir=False)
    assert [score.metric for score in evaluation.scores] == ["auc", "accuracy", "macro_f1"]
    rows = mtl.report.metrics_rows(evaluation, run="joint", seed=0, phase=0, epoch_kind="best")
    assert {row["metric"] for row in mtl.report.approaches_table(rows, "validation").to_dict("records")} == {"auc", "skill"}


def test_a_search_takes_it(tmp_path: Any) -> None:
    def load_data(tasks: mtl.Tasks, data_dir: Any, split_seed: int) -> mtl.data.Data:
        return mtl.data.from_arrays(tasks, (IMAGES, {"yes": YES, "kind": KIND}), validation_fraction=0.4, seed=split_seed)

    tasks = mtl.Tasks(mtl.Binary("yes", skill="average_precision", class_weight="balanced"), mtl.Classification("kind"))
    settings = mtl.search.Settings(trials=1, epochs=1, n_final_seeds=1)
    study = mtl.Study("mine", "Two labels.", tasks, load_data, settings=settings)
    result = mtl.tune(study, output_dir=tmp_path / "run", cache_dir=tmp_path / "cache")
    assert {"average_precision", "accuracy"} <= set(result.evaluation.values()["yes"])
    assert "yes_average_precision" in result.trials[0]["values"]


@pytest.mark.parametrize("monitor", ["skill", "yes_auc"])
def test_a_metric_of_all_rows_cannot_be_monitored_on_training_rows(monitor: str) -> None:
    data = load(mtl.Binary("yes", skill="auc"))
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    with pytest.raises(
        MTLError, match=rf"must be a mean over rows. Received: monitor='{monitor}', made of auc of yes. Monitor"
    ):
        mtl.train(model, data, mtl.Phase(epochs=1, monitor=monitor))


def test_a_metric_without_a_value_is_refused_before_training_and_left_out_of_an_evaluation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = mtl.Tasks(mtl.Binary("yes", skill="auc"), mtl.Classification("kind", classes=3))
    columns = {"yes": YES, "kind": KIND}
    none = {"yes": np.zeros(9), "kind": np.arange(9) % 3}
    data = mtl.data.from_arrays(tasks, (IMAGES, columns), (IMAGES[:9], none))
    model = mtl.build_model(data.tasks, image_shape=data.image_shape)
    with pytest.raises(
        MTLError, match=r"must be defined on the validation rows. Received: monitor='val_skill', and auc of yes"
    ):
        mtl.train(model, data, mtl.Phase(epochs=1))
    evaluation = mtl.evaluate(model, data, cache_dir=False)
    assert evaluation.skill == next(s.skill for s in evaluation.scores if (s.task, s.metric) == ("kind", "accuracy"))
    assert "The skill leaves out yes: its auc has no value on these 9 rows" in caplog.text
