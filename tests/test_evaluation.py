"""An evaluation against NumPy: every number recomputed from the model's own predictions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from mtl_keras.data import Data, Split, from_arrays, trivial_scores
from mtl_keras.errors import MTLError
from mtl_keras.evaluation import EXAMPLES, Evaluation, evaluate
from mtl_keras.model import MultiTaskModel
from mtl_keras.tasks import Binary, Tasks
from tests import _tiny

N = 40


@pytest.fixture(scope="module")
def data() -> Data:
    """Test rows of which every third has no `kind` and all but ten have no `odd`."""
    images, columns = _tiny.rows(N, 2)
    columns["kind"][::3] = np.nan
    columns["odd"][10:] = np.nan
    train = _tiny.data(absent={"train": {"kind": slice(5)}})
    names = {"kind": ("a", "b", "c")}
    made = from_arrays(_tiny.TASKS, _tiny.rows(36, 0), _tiny.rows(20, 1), (images, columns), class_names=names)
    return replace(made, train=train.train)


@pytest.fixture(scope="module")
def model() -> MultiTaskModel:
    keras.utils.set_random_seed(0)
    made = _tiny.model(freeze=True)
    rng = np.random.default_rng(1)
    made.set_weights([weight + rng.normal(0, 0.8, weight.shape) for weight in made.get_weights()])
    # Biases that cancel the mean logit, so that no class is never or always predicted.
    outputs = made.predict(_tiny.rows(N, 2)[0], verbose=0)
    for task, logits in (("kind", np.log(outputs["kind"])), ("odd", np.log(outputs["odd"] / (1 - outputs["odd"])))):
        kernel, bias = made.get_layer(task).get_weights()
        made.get_layer(task).set_weights([kernel, bias - logits[:10].mean(0)])
    return made


@pytest.fixture(scope="module")
def evaluation(model: MultiTaskModel, data: Data) -> Evaluation:
    return evaluate(model, data, "test", cache_dir=False)


def f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Macro F1 over the classes that occur in either."""
    found = []
    for c in np.union1d(truth, predicted):
        hits = np.sum((truth == c) & (predicted == c))
        found.append(2 * hits / (np.sum(truth == c) + np.sum(predicted == c)))
    return float(np.mean(found))


def test_tables_of_classes_have_their_names(evaluation: Evaluation, model: MultiTaskModel, data: Data) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    assert data.test is not None
    present = np.arange(N) % 3 > 0
    truth, guess = data.test.y["kind"][present], model.predict(data.test.x, verbose=0)["kind"].argmax(-1)[present]
    confusion = evaluation.confusion_table("kind")
    assert confusion.loc["b", "a"] == np.sum((truth == 1) & (guess == 0))
    table = evaluation.class_table("kind")
    assert list(table.index) == ["a", "b", "c"]
    precision, recall, f1, n = precision_recall_fscore_support(truth, guess, labels=range(3), zero_division=np.nan)
    np.testing.assert_allclose(table.to_numpy(), np.stack([precision, recall, f1, n], 1))
    assert list(evaluation.class_table("odd").index) == ["0", "1"]
    with pytest.raises(MTLError, match=r"Unknown task with classes"):
        evaluation.class_table("image")


def test_what_holds_arrays_is_printed_in_a_few_lines(evaluation: Evaluation, data: Data) -> None:
    for value, line in (
        (evaluation, f"  kind: accuracy {evaluation.value('kind', 'accuracy'):.4g} (trivial "),
        (data, "  kind: Classification, labels of 31, 20, 26 rows; a, b, c"),
        (data.train, "Split 'train': 36 rows, inputs (8, 8, 1), labels of kind, odd, image"),
    ):
        text = str(value)
        assert line in text
        assert len(text.splitlines()) <= 4
        assert all(len(each) < 128 for each in text.splitlines())


def test_classes_are_scored_on_the_rows_that_have_a_label(evaluation: Evaluation, model: MultiTaskModel, data: Data) -> None:
    assert data.test is not None
    outputs = model.predict(data.test.x, verbose=0)
    guesses = {"kind": outputs["kind"].argmax(-1), "odd": (outputs["odd"][:, 0] > 0.5).astype(int)}
    for task, present in (("kind", np.arange(N) % 3 > 0), ("odd", np.arange(N) < 10)):
        truth, guess = data.test.y[task][present], guesses[task][present]
        accuracy, macro_f1 = (s for s in evaluation.scores if s.task == task)
        assert (accuracy.metric, macro_f1.metric) == ("accuracy", "macro_f1")
        assert accuracy.value == pytest.approx(np.mean(truth == guess))
        assert macro_f1.value == pytest.approx(f1(truth, guess))
        assert 0 < accuracy.value < 1
        assert accuracy.n == macro_f1.n == present.sum() < N
        majority = np.bincount(data.train.y[task][data.train.weight[task] > 0]).argmax()
        assert accuracy.trivial == pytest.approx(np.mean(truth == majority))
        assert macro_f1.trivial == pytest.approx(f1(truth, np.full_like(truth, majority)))
        assert accuracy.skill == pytest.approx((accuracy.value - accuracy.trivial) / (1 - accuracy.trivial))
        assert macro_f1.skill is None
        assert (accuracy.unit, accuracy.direction) == ("fraction of rows", "max")
        assert len(np.unique(guess)) > 1
        counts = np.zeros((3, 3) if task == "kind" else (2, 2), int)
        for t, g in zip(truth, guess, strict=True):
            counts[t, g] += 1
        np.testing.assert_array_equal(evaluation.confusion[task], counts)


def test_images_are_scored_over_their_pixels(evaluation: Evaluation, model: MultiTaskModel, data: Data) -> None:
    assert data.test is not None
    truth = data.test.x.astype(np.float64) / 255
    outputs = model.predict(data.test.x, verbose=0)["image"]
    mse, psnr = (s for s in evaluation.scores if s.task == "image")
    assert mse.value == pytest.approx(np.mean((truth - outputs) ** 2), rel=1e-5)
    assert psnr.value == pytest.approx(-10 * math.log10(mse.value))
    assert mse.trivial == pytest.approx(np.mean((truth - data.train.x.mean(0) / 255) ** 2), rel=1e-5)
    assert mse.n == N
    assert mse.skill == pytest.approx(1 - mse.value / mse.trivial, rel=1e-5)
    assert (mse.direction, psnr.direction) == ("min", "max")
    seen, made = evaluation.examples["image"]
    np.testing.assert_allclose(seen, truth[:EXAMPLES], rtol=1e-6)
    np.testing.assert_allclose(made, outputs[:EXAMPLES], rtol=1e-4)
    assert "image" not in evaluation.confusion


def test_skill_is_the_mean_over_tasks(evaluation: Evaluation) -> None:
    skills = [score.skill for score in evaluation.scores if score.skill is not None]
    assert len(skills) == 3
    assert evaluation.skill == pytest.approx(np.mean(skills))


def test_values_by_name(evaluation: Evaluation) -> None:
    assert list(evaluation.values()) == ["kind", "odd", "image"]
    assert evaluation.value("odd", "accuracy") == evaluation.values()["odd"]["accuracy"] == evaluation.scores[2].value
    assert evaluation.split == "test"
    assert evaluation.class_names == {"kind": ("a", "b", "c")}
    with pytest.raises(KeyError):
        evaluation.value("odd", "mse")


def test_features_batches_and_cache_change_nothing(
    evaluation: Evaluation, model: MultiTaskModel, data: Data, tmp_path: Path
) -> None:
    featured = data.featurize(model.trunk, model.fingerprint(), tmp_path, splits=("train", "test"))
    for other in (
        evaluate(model, data, "test", batch_size=7, cache_dir=False),
        evaluate(model, data, "test", cache_dir=tmp_path),
        evaluate(model, featured, "test"),
    ):
        for ours, theirs in zip(other.scores, evaluation.scores, strict=True):
            assert (ours.task, ours.metric, ours.n, ours.trivial) == (theirs.task, theirs.metric, theirs.n, theirs.trivial)
            assert ours.value == pytest.approx(theirs.value, rel=1e-5)


def test_a_task_without_labels_is_left_out_and_named(model: MultiTaskModel, caplog: pytest.LogCaptureFixture) -> None:
    made = _tiny.data(35, 19, absent={"validation": {"odd": slice(None)}, "train": {"kind": slice(None)}})
    evaluation = evaluate(model, made, cache_dir=False)
    evaluate(model, made, cache_dir=False)
    (line,) = (line for line in caplog.messages if "leaves out" in line)
    assert line.startswith(
        "The evaluation of the 19 validation rows leaves out kind, odd, without a label in them or in the 35"
    )
    assert list(evaluation.values()) == ["image"]
    assert evaluation.skill == evaluation.scores[0].skill


def test_what_cannot_be_scored_is_refused(model: MultiTaskModel, data: Data) -> None:
    with pytest.raises(MTLError, match=r"Received: split='test' of data without test rows"):
        evaluate(model, _tiny.data(), "test")
    with pytest.raises(MTLError, match=r"a model of kind, odd, image and data of kind\."):
        evaluate(model, data.only("kind"))
    odd = Tasks(Binary("odd"))
    unlabeled = _tiny.data(tasks=odd, absent={"validation": {"odd": slice(None)}})
    with pytest.raises(MTLError, match=r"split='validation' without a label"):
        evaluate(_tiny.model(odd), unlabeled, cache_dir=False)


def test_the_trivial_predictor_is_that_of_its_own_reference() -> None:
    """References come and go, and a new one may stand where an old one stood in memory."""
    odd = Tasks(Binary("odd"))

    def split(labels: list[int]) -> Split:
        n = len(labels)
        return Split(
            odd, np.zeros((n, *_tiny.SHAPE), np.uint8), {"odd": np.array(labels, np.int32)}, {"odd": np.ones(n, np.float32)}
        )

    scored = split([0, 1, 1, 1])
    for majority in [0, 1] * 10:
        assert trivial_scores(split([majority] * 3), scored)["odd"]["accuracy"] == (0.75 if majority else 0.25)
    assert trivial_scores(scored, scored) == trivial_scores(scored, scored)
