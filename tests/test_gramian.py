"""The Gramian of task gradients and the update that follows from task weights, against explicit gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from mtl_keras import distribute
from mtl_keras.model._gramian import At, TaskGradients, _draw_order, gramian
from mtl_keras.model._shared_point import find_shared_point
from mtl_keras.weighting import MGDA

N = 8
TASKS = ("a", "b", "c")


def network(*, trained: bool = True, **options: Any) -> keras.Model:
    """Five numbers, two shared layers, dropout at rate 0, and a head per task, `c` with a layer of its own."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((5,))
    for number in (1, 2):
        x = layers.Dense(4, activation="tanh", name=f"shared_{number}", trainable=trained, **options)(x)
    x = layers.Dropout(0.0, name="dropout")(x)
    own = layers.Dense(3, activation="tanh", name="c_dense")(x)
    outputs = {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(2, name="b")(x), "c": layers.Dense(1, name="c")(own)}
    return keras.Model(inputs, outputs)


def heads_of(model: keras.Model) -> dict[str, list[Any]]:
    return {task: [layer for layer in model.layers if layer.name in (task, f"{task}_dense")] for task in TASKS}


def batch(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 5)).astype(np.float32)
    y = {"a": rng.normal(size=(N, 1)), "b": rng.normal(size=(N, 2)), "c": rng.normal(size=(N, 1))}
    half = {task: rng.permutation(N) < N // 2 for task in TASKS}
    return x, {k: v.astype(np.float32) for k, v in y.items()}, {k: v.astype(np.float32) for k, v in half.items()}


def losses_of(outputs: Mapping[str, Any], y: Mapping[str, Any], weights: Mapping[str, Any], totals: Any = None) -> list[Any]:
    """Return the mean squared error of each task over its labeled rows; `totals` are the weights of all replicas."""
    rows = {task: ops.mean(ops.square(tf.cast(outputs[task], "float32") - y[task]), axis=1) for task in outputs}
    sums = {task: tf.reduce_sum(weights[task]) for task in outputs} if totals is None else totals
    return [tf.reduce_sum(rows[task] * weights[task]) / sums[task] for task in outputs]


def explicit(model: keras.Model, x: Any, y: Any, weights: Any, variables: Any, start: Any = None) -> list[np.ndarray]:
    """Return the gradient of each task by some variables, flattened: one plain tape per task."""
    found = []
    for number, _ in enumerate(model.output):
        with tf.GradientTape() as tape:
            loss = losses_of(model(x, training=True), y, weights)[number]
        gradients = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
        found.append(np.concatenate([np.ravel(g) for g in gradients]))
    return found


def compare(
    model: keras.Model, at: At, x: Any, y: Any, weights: Any, scale: float = 1.0, **options: Any
) -> tuple[TaskGradients, Any, np.ndarray, dict[int, Any], Any, Any]:
    gradients = TaskGradients(MGDA(), model, list(model.output), options.pop("heads", None) or heads_of(model), **options)
    with tf.GradientTape(persistent=True) as tape:
        outputs, point = gradients.forward(x)
        losses = losses_of(outputs, y, weights)
    found, own = gradients.compare(tape, losses, point, at, scale)
    return gradients, tape, np.array(found), own, losses, point


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


# Where


def test_the_point_is_the_last_trained_layer_of_all_tasks(model: keras.Model) -> None:
    point = find_shared_point(model, TASKS, heads_of(model))
    assert point is not None
    assert point.layer == "shared_2"
    assert [v.path for v in point.variables] == ["shared_2/kernel", "shared_2/bias"]
    model.get_layer("shared_2").trainable = False
    try:
        before = find_shared_point(model, TASKS, heads_of(model))
        assert before is not None
        assert before.layer == "shared_1"
        model.get_layer("shared_1").trainable = False
        assert find_shared_point(model, TASKS, heads_of(model)) is None
    finally:
        model.get_layer("shared_1").trainable = model.get_layer("shared_2").trainable = True


def test_the_point_of_a_trunk_is_its_output_or_its_last_kernel() -> None:
    inner = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, name="conv_1")(inner)
    x = layers.BatchNormalization(name="bn")(layers.Conv2D(3, 3, name="conv_2")(x))
    trunk = keras.Model(inner, layers.GlobalAveragePooling2D()(layers.Activation("relu")(x)), name="backbone")
    images = keras.Input((8, 8, 1))
    features = trunk(images)
    both = keras.Model(images, {name: layers.Dense(1, name=name)(features) for name in ("a", "b")})
    point = find_shared_point(both, ("a", "b"), {})
    assert point is not None
    assert (point.layer, point.tensor.shape) == ("backbone", (None, 3))
    assert [v.path for v in point.variables] == ["conv_2/kernel", "conv_2/bias"]
    trunk.trainable = False
    assert find_shared_point(both, ("a", "b"), {}) is None


def test_layers_past_which_a_task_leads_are_not_the_point() -> None:
    inputs = keras.Input((5,))
    first = layers.Dense(4, name="first")(inputs)
    second = layers.Dense(4, name="second")(first)
    some = keras.Model(inputs, {"a": layers.Dense(1, name="a")(second), "b": layers.Dense(1, name="b")(second),
                                "c": layers.Dense(1, name="c")(first)})  # fmt: skip
    point = find_shared_point(some, TASKS, heads_of(some))
    assert point is not None
    assert point.layer == "first"
    two = find_shared_point(some, ("a", "b"), heads_of(some))
    assert two is not None
    assert two.layer == "second"
    gradients = TaskGradients(MGDA(), some, TASKS, heads_of(some))
    # Several tasks, though not all, use the second layer: it gets the weighted gradient.
    assert {v.path.split("/")[0] for v in gradients.shared} == {"first", "second"}


def test_a_derived_or_stacked_task_does_not_make_a_head_the_point() -> None:
    inputs = keras.Input((5,))
    shared = layers.Dense(4, name="shared")(inputs)
    a = layers.Dense(3, name="a")(shared)
    derived = layers.Lambda(lambda t: t[:, :1], name="b")(a)
    stacked = layers.Dense(1, name="c")(layers.Concatenate()([shared, ops.stop_gradient(a)]))
    some = keras.Model(inputs, {"a": a, "b": derived, "c": stacked})
    for tasks in (("a", "b"), ("a", "c"), TASKS):
        point = find_shared_point(some, tasks, heads_of(some))
        assert point is not None
        assert point.layer == "shared"
    gradients = TaskGradients(MGDA(), some, TASKS, heads_of(some))
    owners = {task: {v.path.split("/")[0] for v in own} for task, own in gradients.own.items()}
    assert owners == {"a": {"a"}, "b": {"a"}, "c": {"c"}}


def test_a_sharing_method_names_its_own_point() -> None:
    inputs = keras.Input((5,))
    trunk = layers.Dense(4, name="trunk")(inputs)
    experts = [layers.Dense(2, name=f"expert_{i}")(trunk) for i in range(2)]
    together = layers.Concatenate(name="experts")(experts)
    gates = {task: layers.Dense(4, activation="softmax", name=f"{task}_dense")(trunk) for task in TASKS}
    outputs = {task: layers.Dense(1, name=task)(layers.Multiply()([together, gate])) for task, gate in gates.items()}
    some = keras.Model(inputs, outputs)
    point = find_shared_point(some, TASKS, heads_of(some))
    assert point is not None
    assert point.layer == "trunk", "every path passes through it"
    named = find_shared_point(some, TASKS, heads_of(some), "experts")
    assert named is not None
    assert named.layer == "experts"
    assert {v.path for v in named.variables} == {f"expert_{i}/{kind}" for i in range(2) for kind in ("kernel", "bias")}


# What


@pytest.mark.parametrize("at", ["activations", "parameters"])
@pytest.mark.parametrize("labels", ["all", "half"])
def test_the_gramian_is_that_of_explicit_gradients(model: keras.Model, at: At, labels: str) -> None:
    """Half of the labels at random: at parameters each task has its own rows."""
    x, y, weights = batch()
    if labels == "all":
        weights = {task: np.ones(N, np.float32) for task in TASKS}
    found = compare(model, at, x, y, weights)[2]
    if at == "parameters":
        jacobian = explicit(model, x, y, weights, model.get_layer("shared_2").trainable_variables)
    else:
        # By NumPy, from the definition: the derivative of a mean squared error by the input of linear heads.
        h = np.array(keras.Model(model.input, model.get_layer("shared_2").output)(x))
        kernel = {layer.name: np.array(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")}
        outputs = {task: np.array(output) for task, output in model(x).items()}
        jacobian = []
        for task in TASKS:
            row = 2 * (outputs[task] - y[task]) / y[task].shape[1] * weights[task][:, None] / weights[task].sum()
            row = row @ kernel[task].T
            if task == "c":
                own = np.tanh(h @ kernel["c_dense"])
                row = (row * (1 - own**2)) @ kernel["c_dense"].T
            jacobian.append(row.ravel())
    expected = np.stack(jacobian) @ np.stack(jacobian).T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_rows_of_other_tasks_are_orthogonal_at_activations_only(model: keras.Model) -> None:
    """Why data sets that alternate in a batch, or absent labels, are compared at the parameters."""
    x, y, _ = batch()
    halves = {task: np.float32(np.arange(N) % 3 == number) for number, task in enumerate(TASKS)}
    at_activations = compare(model, "activations", x, y, halves)[2]
    np.testing.assert_allclose(at_activations - np.diag(np.diag(at_activations)), 0, atol=1e-12)
    assert abs(compare(model, "parameters", x, y, halves)[2][0, 1]) > 1e-3


@pytest.mark.parametrize("at", ["activations", "parameters"])
def test_loss_scaling_has_no_influence_on_the_gramian(model: keras.Model, at: At) -> None:
    x, y, weights = batch()
    gradients, tape, plain, own, losses, _ = compare(model, at, x, y, weights)
    scaled, tape_2, found, own_2, losses_2, _ = compare(model, at, x, y, weights, scale=1024.0)
    np.testing.assert_allclose(found, plain, rtol=1e-6)
    factors = tf.constant([0.2, 0.5, 0.3])
    one = gradients.combine(tape, losses, factors, own)
    other = scaled.combine(tape_2, losses_2, factors, own_2, scale=1024.0)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(b / 1024, a, rtol=1e-5, atol=1e-8)


def test_gradients_of_float16_layers() -> None:
    x, y, weights = batch()
    model = network(dtype="mixed_float16")
    scale = 1024.0
    gradients, tape, found, own, losses, _ = compare(model, "activations", x, y, weights, scale=scale)
    full = network()
    full.set_weights(model.get_weights())
    np.testing.assert_allclose(found, compare(full, "activations", x, y, weights)[2], rtol=0.05, atol=1e-3)
    assert all(np.isfinite(g).all() for g in gradients.combine(tape, losses, tf.ones(3), own, scale=scale))


# Update


@pytest.mark.parametrize("at", ["activations", "parameters"])
def test_shared_layers_get_the_weighted_gradient_and_heads_their_own(at: At) -> None:
    model = network(kernel_regularizer=keras.regularizers.L2(0.1))
    model.get_layer("c").kernel.regularizer = keras.regularizers.L2(0.2)
    x, y, weights = batch()
    factors = np.array([0.2, 2.0, 0.5], np.float32)
    gradients = TaskGradients(MGDA(), model, TASKS, heads_of(model))
    with tf.GradientTape(persistent=True) as tape:
        outputs, point = gradients.forward(x)
        losses = losses_of(outputs, y, weights)
        regularization = sum(gradients.network.losses)
    _, own = gradients.compare(tape, losses, point, at)
    found = gradients.combine(tape, losses, tf.constant(factors), own, regularization)
    assert [v.path for v in gradients.variables] == [v.path for v in model.trainable_variables]
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        rows = np.stack(explicit(model, x, y, weights, [variable])).reshape(3, *variable.shape)
        head = variable.path.split("/")[0] in ("a", "b", "c", "c_dense")
        expected = rows.sum(0) if head else np.tensordot(factors, rows, 1)
        strength = {"shared_1": 0.1, "shared_2": 0.1, "c": 0.2}.get(variable.path.split("/")[0], 0.0)
        if variable.path.endswith("kernel"):
            expected = expected + 2 * strength * np.array(variable)
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6, err_msg=variable.path)


def test_a_head_of_a_derived_task_gets_the_sum_of_both_gradients() -> None:
    inputs = keras.Input((5,))
    a = layers.Dense(3, name="a")(layers.Dense(4, name="shared")(inputs))
    some = keras.Model(inputs, {"a": a, "b": layers.Lambda(lambda t: t[:, :1], name="b")(a)})
    x, y, _ = batch()
    y = {"a": np.repeat(y["a"], 3, 1), "b": y["b"][:, :1]}
    weights = {task: np.ones(N, np.float32) for task in y}
    gradients, tape, _, own, losses, _ = compare(some, "activations", x, y, weights)
    found = gradients.combine(tape, losses, tf.constant([0.25, 3.0]), own)
    rows = explicit(some, x, y, weights, some.get_layer("a").trainable_variables)
    np.testing.assert_allclose(np.concatenate([np.ravel(g) for g in found[2:]]), rows[0] + rows[1], rtol=1e-5, atol=1e-7)


def test_one_task_without_a_shared_layer_trains_as_it_is() -> None:
    model = network(trained=False)
    x, y, weights = batch()
    single = keras.Model(model.input, {"a": model.output["a"]})
    gradients, tape, found, own, losses, _ = compare(single, "parameters", x, y, weights)
    assert gradients.point is None
    assert found.shape == (1, 1)
    rows = explicit(single, x, y, weights, single.trainable_variables)
    combined = gradients.combine(tape, losses, tf.constant([1.0]), own)
    np.testing.assert_allclose(np.concatenate([np.ravel(g) for g in combined]), rows[0], rtol=1e-5)


# Replicas


@pytest.mark.parametrize("at", ["activations", "parameters"])
def test_two_replicas_have_the_gramian_and_the_update_of_one(at: At) -> None:
    """At parameters the gradients are summed before they are multiplied: the sum of two Gramians is another matrix."""
    x, y, weights = batch()
    weights = weights if at == "parameters" else {task: np.ones(N, np.float32) for task in TASKS}
    found: list[tuple[np.ndarray, list[np.ndarray]]] = []
    for strategy in (distribute.strategy("none"), distribute.strategy("mirrored", ["CPU:0", "CPU:1"])):
        with strategy.scope():
            model = network()
            gradients = TaskGradients(MGDA(), model, TASKS, heads_of(model))
        found.append(_distributed(strategy, gradients, at, x, y, weights))
    (one, updates), (two, updates_of_two) = found
    np.testing.assert_allclose(two, one, rtol=1e-4)
    for a, b in zip(updates, updates_of_two, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def _distributed(strategy: Any, gradients: TaskGradients, at: At, *arrays: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    replicas = strategy.num_replicas_in_sync
    parts = [tf.nest.map_structure(lambda a, r=r: tf.constant(a[r::replicas]), arrays) for r in range(replicas)]

    def step() -> tuple[Any, list[Any]]:
        x, y, weights = parts[0]
        context = tf.distribute.get_replica_context()
        if replicas > 1:
            number = context.replica_id_in_sync_group
            x, y, weights = tf.nest.map_structure(lambda *p: tf.gather(tf.stack(p), number), *parts)
        totals = {task: distribute.sum_over_replicas(tf.reduce_sum(weights[task])) for task in TASKS}
        with tf.GradientTape(persistent=True) as tape:
            outputs, point = gradients.forward(x)
            losses = losses_of(outputs, y, weights, totals)
        matrix, own = gradients.compare(tape, losses, point, at)
        return matrix, [
            distribute.sum_over_replicas(g) for g in gradients.combine(tape, losses, tf.constant([0.2, 0.5, 0.3]), own)
        ]

    matrix, updates = tf.function(lambda: strategy.run(step))()
    first: Callable[[Any], np.ndarray] = lambda value: np.array(strategy.experimental_local_results(value)[0])  # noqa: E731
    return first(matrix), [first(update) for update in updates]


def test_the_gramian_is_rounded_once() -> None:
    """Opposed gradients of very different size, whose float32 products would cancel."""
    rng = np.random.default_rng(0)
    jacobian = rng.normal(size=(2, 10_000)).astype(np.float32)
    jacobian[1] = -jacobian[0] * 1e4 + jacobian[1] * 1e-3
    exact = jacobian.astype(np.float64) @ jacobian.T.astype(np.float64)
    np.testing.assert_allclose(gramian(tf.constant(jacobian), "activations"), exact, rtol=1e-6)


def test_the_order_of_tasks_follows_from_seed_and_step() -> None:
    orders = [tuple(np.array(_draw_order(seed, tf.constant(step), 6))) for seed in (0, 1) for step in range(4)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(orders)) == 8
    assert orders[0] == tuple(np.array(_draw_order(0, tf.constant(0), 6)))
    assert tuple(np.array(_draw_order(None, tf.constant(3), 6))) == tuple(range(6))
