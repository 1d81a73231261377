"""Every kind of task through the same tests; a new kind adds one row to `CASES`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mtl_keras.errors import MTLError, RowsError
from mtl_keras.tasks import (
    KINDS,
    Binary,
    Classification,
    Metric,
    MultiLabel,
    Ordinal,
    Reconstruction,
    Regression,
    Task,
    Tasks,
    from_config,
)

SHAPE = (4, 3, 2)
ROWS = 12


@dataclass(frozen=True)
class Case:
    """One kind: how to make labels and outputs of it, and its definitions in words as slow as they are plain."""

    task: Task
    output: tuple[int, ...]  # shape of one row of the model's output
    labels: Callable[[np.random.Generator, int], np.ndarray]  # a raw column without absent rows
    outputs: Callable[[np.random.Generator, int], np.ndarray]
    perfect: Callable[[np.ndarray], np.ndarray]  # stored labels -> the outputs that leave nothing to gain
    loss: Callable[[np.ndarray, np.ndarray], float]  # target and output of one row
    metric: Callable[[np.ndarray, np.ndarray], float]
    wrong: tuple[Any, ...] = ()  # labels outside the range
    refusal: str = "must be integers"  # what is said of them
    classes: int | None = None
    predicted: Callable[[np.ndarray], int] | None = None  # output of one row -> class
    bounded: bool = True  # outputs lie in [0, 1]
    logit: bool = False  # the loss goes back to the logits
    trivial_is_best: bool = True  # no constant has a better value of the skill's metric


def probabilities(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.dirichlet(np.ones(5), n).astype(np.float32)


def smoothed(target: np.ndarray, output: np.ndarray) -> float:
    wanted = [0.9 * (k == target) + 0.1 / 5 for k in range(5)]
    return -sum(w * math.log(p) for w, p in zip(wanted, output, strict=True))


def squared(target: np.ndarray, output: np.ndarray) -> float:
    pixels = list(zip(target.reshape(-1), output.reshape(-1), strict=True))
    return sum((float(t) - float(p)) ** 2 for t, p in pixels) / len(pixels)


def squared_distance(target: np.ndarray, output: np.ndarray) -> float:
    reached = [sum(output[: k + 1]) for k in range(len(output))]
    return sum((p - (k >= target)) ** 2 for k, p in enumerate(reached))


def median(output: np.ndarray) -> int:
    return next(k for k in range(len(output)) if sum(output[: k + 1].astype(np.float64)) >= 0.5 or k == len(output) - 1)


CLASSES = Case(
    task=Classification("kind", classes=5),
    output=(5,),
    labels=lambda rng, n: rng.integers(0, 5, n),
    outputs=probabilities,
    perfect=lambda stored: np.eye(5, dtype=np.float32)[stored],
    loss=lambda target, output: -math.log(output[target]),
    metric=lambda target, output: float(max(range(5), key=lambda k: output[k]) == target),
    wrong=(5, -1, 2.5, math.inf),
    classes=5,
    predicted=lambda output: int(output.argmax()),
    logit=True,
)
NUMBER = Case(
    task=Regression("kind", location=40.0, scale=15.0),
    output=(1,),
    labels=lambda rng, n: rng.normal(40, 15, n).astype(np.float32),
    outputs=lambda rng, n: rng.normal(40, 15, (n, 1)).astype(np.float32),
    perfect=lambda stored: stored.reshape(len(stored), -1),
    loss=squared,
    metric=squared,
    wrong=(math.inf, -math.inf),
    refusal="must be finite",
    bounded=False,
)
CASES = {
    "classification": CLASSES,
    "named": replace(CLASSES, task=Classification("kind", classes=["a", "b", "c", "d", "e"], metrics=["log_loss", "auc"])),
    "focal": replace(
        CLASSES,
        task=Classification("kind", classes=5, loss=keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0)),
        loss=lambda target, output: -math.log(output[target]) * (1 - float(output[target])) ** 2,
        logit=False,
    ),
    "smoothed": replace(CLASSES, task=Classification("kind", classes=5, label_smoothing=0.1), loss=smoothed),
    "binary": Case(
        task=Binary("kind"),
        output=(1,),
        labels=lambda rng, n: rng.integers(0, 2, n),
        outputs=lambda rng, n: rng.uniform(0.01, 0.99, (n, 1)).astype(np.float32),
        perfect=lambda stored: stored[:, None].astype(np.float32),
        loss=lambda target, output: -math.log(output[0] if target else 1 - output[0]),
        metric=lambda target, output: float((output[0] > 0.5) == target),
        wrong=(2, -1, 0.5, -math.inf),
        classes=2,
        predicted=lambda output: int(output[0] > 0.5),
        logit=True,
    ),
    "multi-label": Case(
        task=MultiLabel("kind", classes=3),
        output=(3,),
        labels=lambda rng, n: rng.integers(0, 2, (n, 3)),
        outputs=lambda rng, n: rng.uniform(0.01, 0.99, (n, 3)).astype(np.float32),
        perfect=lambda stored: stored.astype(np.float32),
        loss=lambda target, output: -sum(math.log(p if t else 1 - p) for t, p in zip(target, output, strict=True)) / 3,
        metric=lambda target, output: sum(float((p > 0.5) == t) for t, p in zip(target, output, strict=True)) / 3,
        wrong=(2, -1, 0.5, math.inf),
        refusal="must be 0 or 1",
    ),
    "ordinal": replace(
        CLASSES,
        task=Ordinal("kind", classes=5),
        loss=squared_distance,
        metric=lambda target, output: abs(median(output) - int(target)),
        predicted=median,
        logit=False,
    ),
    "regression": NUMBER,
    "absolute": replace(
        NUMBER,
        task=Regression("kind", location=40.0, scale=15.0, loss="mae", skill="mae"),
        loss=lambda target, output: abs(float(target) - float(output[0])),
        metric=lambda target, output: abs(float(target) - float(output[0])),
        trivial_is_best=False,
    ),
    "several numbers": replace(
        NUMBER,
        task=Regression("kind", size=2, location=40.0, scale=15.0),
        output=(2,),
        labels=lambda rng, n: rng.normal(40, 15, (n, 2)).astype(np.float32),
        outputs=lambda rng, n: rng.normal(40, 15, (n, 2)).astype(np.float32),
    ),
    "reconstruction": Case(
        task=Reconstruction("kind"),
        output=SHAPE,
        labels=lambda rng, n: rng.integers(0, 256, (n, *SHAPE)).astype(np.uint8),
        outputs=lambda rng, n: rng.uniform(0, 1, (n, *SHAPE)).astype(np.float32),
        perfect=lambda stored: (stored / 255).astype(np.float32),
        loss=squared,
        metric=squared,
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def sample(case: Case, seed: int = 0, n: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stored labels, targets and outputs."""
    rng = np.random.default_rng(seed)
    stored, _ = case.task.encode(case.labels(rng, n))
    return stored, np.asarray(case.task.target(stored)), case.outputs(rng, n)


def head(case: Case, channels: int = 3) -> keras.Model:
    features = keras.Input((channels,))
    return keras.Model(features, {case.task.name: case.task.head(features, SHAPE)})


def test_a_kind_says_whether_its_output_is_probabilities(case: Case) -> None:
    assert case.task.probabilities == (case.bounded and len(case.output) == 1)


def test_every_kind_has_a_row() -> None:
    assert {type(case.task) for case in CASES.values()} == set(KINDS.values())
    assert all(name == kind.__name__ for name, kind in KINDS.items())


def test_encode_keeps_labels_and_says_all_are_present(case: Case) -> None:
    column = case.labels(np.random.default_rng(0), ROWS)
    stored, present = case.task.encode(column)
    np.testing.assert_array_equal(stored, column)
    np.testing.assert_array_equal(present, np.ones(ROWS, np.float32))
    assert present.dtype == np.float32


@given(mask=st.lists(st.booleans(), min_size=1, max_size=8), marker=st.sampled_from([math.nan, None]))
@settings(max_examples=30, deadline=None)
def test_nan_and_none_are_absent_labels(mask: list[bool], marker: Any) -> None:
    for case in CASES.values():
        if case.task.from_input:
            continue
        labels = case.labels(np.random.default_rng(len(mask)), len(mask))
        column = labels.astype(object)
        column[~np.array(mask)] = marker
        stored, present = case.task.encode(column)
        np.testing.assert_array_equal(present, np.array(mask, np.float32))
        np.testing.assert_array_equal(stored[mask], labels[mask])
        loss = case.task.row_loss(tf.constant(stored), tf.constant(case.outputs(np.random.default_rng(0), len(mask))))
        assert np.isfinite(loss).all(), "a dummy label is one that the loss can take"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.wrong])
def test_labels_out_of_range_are_named_with_their_row(name: str) -> None:
    case = CASES[name]
    for value in case.wrong:
        column = case.labels(np.random.default_rng(0), ROWS).astype(np.float64)
        column[[7, 9]] = value
        with pytest.raises(
            RowsError, match=rf"'kind' {case.refusal}.*Received: \[?{float(value)}.* in row 7 \(2 of {ROWS} rows"
        ) as info:
            case.task.encode(column)
        assert "\n" not in str(info.value)
        # What may be set aside is known in full.
        assert info.value.rows == (7, 9)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.classes])
def test_columns_that_hold_no_indices_are_refused(name: str) -> None:
    task = CASES[name].task
    with pytest.raises(MTLError, match=r"Received: 'cat' in rows 0, 1\."):
        task.encode(np.array(["cat", "dog"]))
    with pytest.raises(MTLError, match=r"Received: 'cat' in row 2\. Replace them by numbers, or by NaN"):
        task.encode(np.array([0, 1, "cat"]))
    with pytest.raises(MTLError, match=r"Received: labels of shape \[3, 5\]"):
        task.encode(np.eye(5)[:3])
    np.testing.assert_array_equal(task.encode(np.array([[0], [1]]))[0], [0, 1])


@pytest.mark.parametrize("name", ["multi-label", "regression", "several numbers"])
def test_columns_that_hold_no_such_numbers_are_refused(name: str) -> None:
    case = CASES[name]
    column = case.labels(np.random.default_rng(0), ROWS)
    with pytest.raises(MTLError, match=r"must be numbers. Received: 'cat' in rows 0, 1, 2, 3, 4 and 7 more"):
        case.task.encode(np.full(column.shape, "cat", object))
    mixed = column.astype(object)
    mixed[5] = "cat"
    with pytest.raises(MTLError, match=r"must be numbers. Received: 'cat' in row 5\. Replace"):
        case.task.encode(mixed)
    with pytest.raises(MTLError, match=r"numbers? per row. Received: labels of shape \[12, 7\]"):
        case.task.encode(np.zeros((ROWS, 7)))
    if name == "regression":
        np.testing.assert_array_equal(case.task.encode(column[:, None])[0], column)
    else:
        column = column.astype(np.float64)
        column[3] = math.nan
        _, present = case.task.encode(column)
        assert present.tolist() == [float(row != 3) for row in range(ROWS)]


@pytest.mark.parametrize("name", ["multi-label", "several numbers"])
def test_what_is_known_of_a_row_counts(name: str) -> None:
    """Loss, metrics and trivial prediction are those of the known entries, each counted once."""
    case = CASES[name]
    rng = np.random.default_rng(0)
    column, outputs = case.labels(rng, ROWS).astype(np.float64), case.outputs(rng, ROWS)
    column[::2, 0], column[5, 1] = math.nan, math.nan
    known = ~np.isnan(column)
    stored, present = case.task.encode(column)
    assert present.all()
    shares, losses = (
        np.asarray(found) for found in (case.task.known(stored), case.task.row_loss(tf.constant(stored), tf.constant(outputs)))
    )
    np.testing.assert_allclose(shares, known.mean(axis=1), rtol=1e-6)
    if name == "multi-label":
        each = -np.log(np.where(column == 1, outputs, 1 - outputs))
        hit = (outputs > 0.5) == (column == 1)
        values = {
            "accuracy": hit[known].mean(),
            "macro_f1": np.mean([f1_score(column[k, c], outputs[k, c] > 0.5) for c, k in enumerate(known.T)]),
            "exact_match": (hit | ~known).all(axis=1).mean(),
        }
    else:
        each = np.square(column - outputs)
        values = {"mse": each[known].mean(), "mae": np.sqrt(each)[known].mean()}
    assert (shares * losses).sum() / shares.sum() == pytest.approx(each[known].mean(), rel=1e-5)
    assert case.task.score(stored, outputs) == pytest.approx(values, rel=1e-6)
    np.testing.assert_allclose(case.task.trivial(stored), np.nanmean(column, axis=0), rtol=1e-6)


def test_a_regression_begins_at_its_location() -> None:
    keras.utils.set_random_seed(0)
    outputs = np.asarray(head(NUMBER)(np.zeros((1, 3), np.float32))["kind"])
    np.testing.assert_allclose(outputs, [[40.0]])


def test_reconstruction_takes_numeric_inputs_alone() -> None:
    with pytest.raises(MTLError, match=r"numeric inputs.*shape \[2\]"):
        Reconstruction("image").encode(np.array(["a.png", "b.png"]))


def test_head_is_named_after_the_task_and_has_the_kinds_shape(case: Case) -> None:
    model = head(case)
    assert model.output_names == ["kind"]
    assert model.layers[-1].name == "kind"
    assert model.output["kind"].shape == (None, *case.output)
    outputs = np.asarray(model(np.random.default_rng(0).normal(0, 5, (ROWS, 3)))["kind"])
    assert outputs.shape == case.outputs(np.random.default_rng(0), ROWS).shape
    assert ((outputs >= 0) & (outputs <= 1)).all() == case.bounded


def test_loss_is_one_number_a_row_and_equals_its_definition(case: Case) -> None:
    _, target, outputs = sample(case)
    loss = np.asarray(case.task.row_loss(tf.constant(target), tf.constant(outputs)))
    assert loss.shape == (ROWS,)
    np.testing.assert_allclose(loss, [case.loss(t, p) for t, p in zip(target, outputs, strict=True)], rtol=1e-4)


def test_row_metrics_are_their_definition_and_average_to_the_score(case: Case) -> None:
    stored, target, outputs = sample(case, n=40)
    found = {
        name: np.asarray(value) for name, value in case.task.row_metrics(tf.constant(target), tf.constant(outputs)).items()
    }
    own = case.task.metric.name
    assert own in found
    assert set(case.task.row_wise) == set(found)
    assert case.task.row_metric == case.task.metric
    np.testing.assert_allclose(found[own], [case.metric(t, p) for t, p in zip(target, outputs, strict=True)], rtol=1e-5)
    score = case.task.score(stored, outputs)
    assert list(score) == [metric.name for metric in case.task.all_metrics]
    assert [metric.name for metric in case.task.own_metrics] == list(score)[: len(case.task.own_metrics)]
    np.testing.assert_equal(case.task.score(stored, outputs, np.full(40, 2.0)), pytest.approx(score, rel=1e-6, nan_ok=True))
    for name, value in found.items():
        assert value.shape == (40,)
        assert value.mean() == pytest.approx(score[name], rel=1e-5)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_no_constant_beats_the_trivial_prediction(seed: int, n: int) -> None:
    for case in CASES.values():
        if not case.trivial_is_best:
            continue
        stored, _, outputs = sample(case, seed, n)
        row = case.task.trivial(stored)
        assert row.shape == case.output
        assert np.issubdtype(row.dtype, np.floating)

        def of_constant(row: np.ndarray, case: Case = case, stored: np.ndarray = stored) -> float:
            return case.task.score(stored, np.broadcast_to(row, (len(stored), *row.shape)))[case.task.metric.name]

        metric, trivial = case.task.metric, of_constant(row)
        for constant in outputs[:3]:
            assert metric.skill(of_constant(constant), trivial) <= 1e-6
        assert metric.skill(trivial, trivial) == 0


def test_a_perfect_prediction_has_skill_1_and_nothing_off_the_diagonal(case: Case) -> None:
    stored, _, _ = sample(case)
    metric = case.task.metric
    trivial = case.task.trivial(stored)
    perfect, base = (
        case.task.score(stored, outputs) for outputs in (case.perfect(stored), np.broadcast_to(trivial, (ROWS, *trivial.shape)))
    )
    assert perfect[metric.name] == pytest.approx(metric.perfect, abs=1e-12)
    assert metric.skill(perfect[metric.name], base[metric.name]) == pytest.approx(1)
    counts = case.task.confusion(stored, case.perfect(stored))
    if case.classes is None:
        assert counts is None
    else:
        np.testing.assert_array_equal(counts, np.diag(np.bincount(stored, minlength=case.classes)))


def test_confusion_rows_are_the_truth(case: Case) -> None:
    stored, _, outputs = sample(case, n=50)
    counts = case.task.confusion(stored, outputs)
    if case.classes is None:
        assert counts is None
        return
    assert counts is not None
    slow = np.zeros((case.classes, case.classes), int)
    for truth, row in zip(stored, outputs, strict=True):
        assert case.predicted is not None
        slow[truth, case.predicted(row)] += 1
    np.testing.assert_array_equal(counts, slow)
    assert not np.array_equal(counts, counts.T), "these rows would not tell the truth from the prediction"


def test_outputs_are_decoded_to_what_labels_are(case: Case) -> None:
    stored, _, outputs = sample(case)
    decoded = case.task.decode(outputs)
    assert decoded.values.shape == stored.shape
    assert (decoded.names is None) == (not case.task.class_names)
    perfect = case.task.decode(case.perfect(stored)).values
    np.testing.assert_allclose(perfect, stored, rtol=1e-6)
    if case.task.probabilities:
        assert decoded.probabilities is not None
        names = [f"class {number}" for number in range(decoded.probabilities.shape[1])]
        assert len(case.task.decode(outputs, names).names or ()) == ROWS
    if case.predicted is not None:
        classes = [case.predicted(row) for row in outputs]
        assert decoded.values.tolist() == classes
        assert decoded.probabilities is not None
        np.testing.assert_allclose(decoded.probabilities.sum(axis=1), 1, rtol=1e-5)
        names = [f"class {number}" for number in range(case.classes or 0)]
        assert case.task.decode(outputs, names).names == [names[index] for index in classes]


def test_strata_are_the_classes(case: Case) -> None:
    stored, _, _ = sample(case)
    strata = case.task.strata(stored)
    if case.classes is None:
        assert strata is None
    else:
        np.testing.assert_array_equal(strata, stored)


def test_config_is_json_and_gives_the_task_back(case: Case) -> None:
    tasks = Tasks(replace(case.task, label="column"))
    assert from_config(json.loads(json.dumps(tasks.config()))) == tasks
    with pytest.raises(MTLError, match=r"Unknown task kind.*Did you mean 'Binary'"):
        from_config([{"kind": "Binray", "name": "kind"}])


def test_metrics_are_complete(case: Case) -> None:
    for metric in case.task.all_metrics:
        assert metric.direction in ("max", "min")
        assert metric.unit
        assert metric.description.endswith("higher is better" if metric.direction == "max" else "lower is better")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.logit])
def test_a_confident_mistake_costs_its_logit(name: str) -> None:
    """Pins what the losses lean on: within a graph Keras goes back from softmax and sigmoid to the logits."""
    case = CASES[name]
    model = head(case, channels=1)
    kernel = np.zeros(model.get_weights()[0].shape, np.float32)
    kernel[0, 0] = 1.0
    model.set_weights([kernel, np.zeros(kernel.shape[1], np.float32)])
    # Logits (200, 0, 0 ...) where class 1 is true; or the logit -200 where yes is true.
    features = tf.constant([[200.0 if kernel.shape[1] > 1 else -200.0]])

    @tf.function
    def loss() -> Any:
        return case.task.row_loss(tf.constant([1]), model(features, training=True)["kind"])

    smooth = getattr(case.task, "label_smoothing", 0.0)
    expected = 200 * (1 - smooth / 5)
    np.testing.assert_allclose(loss(), [expected], rtol=1e-5)


@pytest.mark.parametrize("direction", ["max", "min"])
@given(trivial=st.floats(-1e6, 1e6), gain=st.floats(0.01, 1e6), share=st.floats(-2, 2))
@settings(max_examples=50, deadline=None)
def test_skill_is_the_share_of_the_way(direction: Any, trivial: float, gain: float, share: float) -> None:
    sign = 1 if direction == "max" else -1
    metric = Metric("m", "unit", direction, trivial + sign * gain)
    assert metric.skill(trivial + share * (metric.perfect - trivial), trivial) == pytest.approx(share, abs=1e-3)


def test_mean_skill_is_over_the_tasks_that_have_values() -> None:
    tasks = Tasks(Binary("a"), Regression("b"), Binary("c"))
    trivial = {"a": 0.5, "b": 4.0, "c": 0.5}
    assert tasks.mean_skill({"a": 0.75, "b": 1.0}, trivial) == pytest.approx((0.5 + 0.75) / 2)
    assert tasks.mean_skill({"a": 0.75, "b": 1.0}, {"b": 4.0}) == pytest.approx(0.75)
    assert math.isnan(tasks.mean_skill({}, trivial))


def test_skill_is_0_where_nothing_can_be_gained() -> None:
    assert Metric("m", "unit", "max", 1.0).skill(1.0, 1.0) == 0
    assert Metric("m", "unit", "max", 1.0).skill(0.2, 1.0) == 0


@pytest.mark.parametrize(
    "name", ["", "1st", "a b", "a/b", "a-b", "loss", "skill", "backbone", "val_kind", "shared_dense_1", "backbone_pool"]
)
def test_names_that_cannot_be_wiring_are_refused(name: str) -> None:
    with pytest.raises(MTLError, match=r"A task's name .*Received: name="):
        Binary(name)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: Tasks(Classification("kind"), Binary("other")).check_resolved(),
            "`classes` of a task must be known before a model is built.*none for kind. Pass data.tasks",
        ),
        (lambda: Classification("kind", classes=3, label_smoothing=1.0), r"\[0, 1\).*label_smoothing=1.0"),
        (lambda: MultiLabel("kind", classes=1), r"`classes` of a multi-label task must be.*classes=1"),
        (lambda: Classification("kind", classes=0), "`classes` of a classification must be.*classes=0"),
        (lambda: Ordinal("kind", classes=[3]), "at least 2 names or values in order. Received: 1 of them for task 'kind'"),
        (lambda: Ordinal("kind").encode(np.array([0])), "`classes` must be given, or be taken from data.*'kind'"),
        (lambda: Regression("kind", size=0), r"`size` of a regression must be.*size=0"),
        (lambda: Regression("kind", scale=0.0), r"`scale` of a regression must be a number greater than 0.*scale=0.0"),
        (lambda: Regression("kind", location=math.nan), r"`location` of a regression must be a finite number.*location=nan"),
        (lambda: Tasks(), r"at least one task. Received: none"),
        (lambda: Tasks(Binary("kind"), Classification("kind", classes=3)), r"unique. Received: kind more than once"),
        (lambda: Tasks("kind"), r"Received: 'kind'"),  # type: ignore[arg-type]  # what is refused
        (lambda: Tasks(Binary("fine"), Binary("coarse")).only("fien"), r"Unknown task.*Did you mean 'fine'"),
    ],
)
def test_what_is_no_set_of_tasks_is_refused(made: Callable[[], Any], message: str) -> None:
    with pytest.raises(MTLError, match=message):
        made()


def test_tasks_are_a_mapping_in_the_order_given() -> None:
    tasks = Tasks(Binary("b"), Classification("a", classes=3), Binary("c", label="other"))
    assert list(tasks) == ["b", "a", "c"]
    assert list(tasks.only("c", "b")) == ["b", "c"]
    assert tasks == Tasks(*tasks.values())
    assert hash(tasks) == hash(Tasks(*tasks.values()))
    assert tasks != Tasks(Classification("a", classes=3), Binary("b"), Binary("c", label="other"))
    with pytest.raises(KeyError, match="Unknown task: received 'd'"):
        tasks["d"]
    assert "d" not in tasks
    renamed = tasks.rename_columns({"b": "column", "c": "ignored", "z": "nobody"})
    assert [task.column for task in renamed.values()] == ["column", "a", "other"]
