"""Reliability by hand, and the worst mistakes of an evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.calibration import BINS, reliability
from mtl_keras.prediction import predict
from tests import _tiny


def test_the_error_of_a_classification_by_hand() -> None:
    outputs = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.5, 0.4], [0.2, 0.2, 0.6]])
    (found,) = reliability(mtl.Classification("kind", classes=3), np.array([0, 1, 1, 2]), outputs)
    # 0.8 lies in (11/15, 12/15], 0.5 in (7/15, 8/15], 0.6 in (8/15, 9/15].
    assert {place: count for place, count in enumerate(found.counts) if count} == {7: 1, 8: 1, 11: 2}
    assert found.frequency[11] == 0.5
    assert found.ece == pytest.approx((2 * 0.3 + 0.5 + 0.4) / 4)
    assert (found.n, len(found.counts), math.isnan(found.confidence[0])) == (4, BINS, True)


def test_of_two_classes_it_is_the_probability_of_the_second() -> None:
    outputs = np.array([[0.0], [0.1], [0.1], [1.0]])
    (found,) = reliability(mtl.Binary("odd"), np.array([0, 0, 1, 1]), outputs)
    assert (found.counts[0], found.counts[1], found.counts[-1]) == (1, 2, 1)
    assert found.ece == pytest.approx(2 * 0.4 / 4)
    both = mtl.Classification("odd", classes=2)
    assert reliability(both, np.array([0, 0, 1, 1]), np.concatenate([1 - outputs, outputs], axis=1))[0].ece == found.ece


def test_each_label_of_a_set_counts_the_rows_where_it_is_known() -> None:
    task = mtl.MultiLabel("tags", classes=3)
    stored = task.encode(np.array([[0, 1, np.nan], [1, np.nan, np.nan]]))[0]
    first, second, third = reliability(task, stored, np.array([[0.2, 0.7, 0.5], [0.6, 0.1, 0.5]]))
    assert (first.n, second.n, third.n) == (2, 1, 0)
    assert first.ece == pytest.approx((0.2 + 0.4) / 2)
    assert second.ece == pytest.approx(0.3)
    assert math.isnan(third.ece)


def test_calibrated_probabilities_have_almost_no_error_and_numbers_have_none() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=(200_000, 1))
    (found,) = reliability(mtl.Binary("odd"), (rng.uniform(size=200_000) < probability[:, 0]).astype(int), probability)
    assert found.ece < 0.01
    assert reliability(mtl.Regression("price"), np.zeros(3), np.zeros((3, 1))) == ()


def test_an_evaluation_keeps_the_worst_rows_of_each_task() -> None:
    absent = {"validation": {"kind": slice(0, 4)}}
    data, model = _tiny.data(absent=absent), _tiny.model()
    found = mtl.evaluate(model, data)
    assert found.mistakes.keys() == {"kind", "odd"}
    assert found.reliability.keys() == {"kind", "odd"}
    outputs = predict(model, data.validation)["kind"]
    truth = data.validation.y["kind"]
    wrong = [row for row in range(4, 20) if outputs[row].argmax() != truth[row]]
    worst = sorted(wrong, key=lambda row: (outputs[row, truth[row]], row))
    assert found.mistakes["kind"].n == len(wrong)
    assert found.mistakes["kind"].rows.tolist() == worst[:12]
    np.testing.assert_array_equal(found.mistakes["kind"].outputs, outputs[worst[:12]])


def test_of_numbers_the_farthest_rows_are_the_worst() -> None:
    tasks = mtl.Tasks(mtl.Regression("price"), mtl.MultiLabel("tags", classes=2))
    rng = np.random.default_rng(0)
    columns = {"price": rng.normal(1e4, 5.0, 40), "tags": rng.integers(0, 2, (40, 2)).astype(float)}
    columns["tags"][:, 1] = np.nan
    data = mtl.data.from_arrays(tasks, (_tiny.rows(40, 0)[0], columns), (_tiny.rows(40, 1)[0], columns))
    model = mtl.build_model(tasks, _tiny.BACKBONE, image_shape=(8, 8, 1))
    model.set_units({"price": columns["price"]})
    found = mtl.evaluate(model, data)
    outputs = predict(model, data.validation)
    away = np.abs(outputs["price"][:, 0] - columns["price"])
    np.testing.assert_allclose(away[found.mistakes["price"].rows], np.sort(away)[::-1][:12], rtol=1e-3)
    wrong = (outputs["tags"][:, 0] > 0.5) != (columns["tags"][:, 0] == 1)
    assert found.mistakes["tags"].n == wrong.sum()
    assert {*found.mistakes["tags"].rows.tolist()} <= {*np.flatnonzero(wrong).tolist()}
