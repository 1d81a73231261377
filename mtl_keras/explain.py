"""Where a head looks: Grad-CAM for the heads on the feature map of a backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mtl_keras.errors import MTLError, check_count, describe, unknown
from mtl_keras.model import MultiTaskModel, feature_map, origin
from mtl_keras.tasks import Task

__all__ = ["grad_cam"]


def grad_cam(
    model: MultiTaskModel,
    images: np.ndarray,
    task: str,
    classes: int | Sequence[int] | np.ndarray | None = None,
    *,
    batch_size: int = 64,
) -> np.ndarray:
    """Return where the head of a task finds evidence for a class.

    The feature map in front of the pooling is summed over its channels, each weighted by the mean gradient of the score in
    front of softmax or sigmoid; what speaks against the class is cut off. Whether the backbone is frozen does not matter.

    Args:
        model: From `build_model` or `load_model`.
        images: `[n, height, width, channels]` in `[0, 255]`.
        task: Name of the task.
        classes: Number of the class or label that is explained, one for all images or one for each; of several numbers, which
            one. None (default) is the predicted class, of a label set the most likely label. Of a number the map shows what
            raises it.
        batch_size: Images per batch; default 64.

    Returns:
        `[n, height, width]` float32, enlarged to the size of the images, from 0 to 1 where the evidence of the image is
        strongest; 0 everywhere if nothing speaks for the class.

    Raises:
        MTLError: If the backbone has no feature map, as that of rows, or the task or a class does not exist.

    Example:
        >>> import mtl_keras as mtl
        >>> from mtl_keras.explain import grad_cam
        >>> data = mtl.data.load("digits", mtl.Tasks(mtl.Classification("digit", classes=10)))
        >>> model = mtl.build_model(data.tasks, "SmallCNN", image_shape=data.image_shape)
        >>> grad_cam(model, data.validation.x[:3], "digit").shape
        (3, 8, 8)

    Reference:
        R. R. Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV 2017.
    """
    if task not in model.recipe.tasks:
        raise unknown("task", task, model.recipe.tasks)
    kind, maps = model.recipe.tasks[task], feature_map(model.features)
    if kind.from_input:
        raise MTLError(
            f"A task that is explained must predict classes or numbers. Received: {task!r}, which reconstructs its input. Name "
            "another task."
        )
    if maps is None:
        raise MTLError(
            "Grad-CAM must have a feature map [height, width, channels] in front of the pooling. Received: backbone "
            f"{model.recipe.backbone.name} without one. Use a backbone of images, such as SmallCNN."
        )
    given = model.check_values(images)
    model.check_inputs(given.shape[1:])
    size, rows = check_count("batch_size", batch_size), len(given)
    chosen = None if classes is None else _check_classes(classes, rows)
    below, above = keras.Model(model.input, maps), _scores(model, maps, task)
    found = []
    for start in range(0, rows, size):
        part = slice(start, start + size)
        found.append(_explain(kind, below, above, given[part], None if chosen is None else chosen[part]))
    return np.concatenate(found)


def _check_classes(classes: Any, rows: int) -> np.ndarray:
    """Return the explained class of each row."""
    array = np.asarray(classes)
    if array.dtype.kind not in "iu" or array.shape not in ((), (rows,)):
        raise MTLError(
            f"`classes` must be the number of a class, or one for each of the {rows} images. Received: "
            f"classes={describe(classes)}. Pass e.g. classes=3."
        )
    return np.broadcast_to(array, (rows,))


def _scores(model: MultiTaskModel, maps: Any, task: str) -> Callable[[Any], tuple[Any, Any]]:
    """Return a function from feature maps to the outputs of a task and the scores in front of softmax or sigmoid."""
    output = model.standard_outputs[task]
    layer, node = origin(output)
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    if isinstance(layer, keras.layers.Dense) and activation in ("softmax", "sigmoid"):
        both = keras.Model(maps, [output, node.input_tensors[0]])

        def in_front(x: Any) -> tuple[Any, Any]:
            outputs, hidden = both(x, training=False)
            scores = keras.ops.matmul(keras.ops.cast(hidden, "float32"), layer.kernel)
            return outputs, scores if layer.bias is None else scores + layer.bias

        return in_front
    network = keras.Model(maps, output)
    derived = model.recipe.tasks[task].class_count is not None

    def behind(x: Any) -> tuple[Any, Any]:
        outputs = network(x, training=False)
        # Probabilities that are sums of others have no score of their own.
        return outputs, keras.ops.log(outputs + keras.config.epsilon()) if derived else outputs

    return behind


def _explain(
    task: Task, below: keras.Model, above: Callable[[Any], tuple[Any, Any]], images: np.ndarray, classes: np.ndarray | None
) -> np.ndarray:
    """Return the maps of one batch."""
    maps = below(images, training=False)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(maps)
        outputs, scores = above(maps)
        score = _chosen(task, keras.ops.convert_to_numpy(outputs), scores, classes)
    gradient = keras.ops.convert_to_numpy(keras.ops.cast(tape.gradient(score, maps), "float32"))
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    evidence = np.maximum((weights * keras.ops.convert_to_numpy(keras.ops.cast(maps, "float32"))).sum(axis=-1), 0.0)
    # With domain-specific batch normalization there is a map for each domain, and a head takes that of one.
    evidence = evidence.reshape(-1, len(images), *evidence.shape[1:]).sum(axis=0)
    large = keras.ops.image.resize(evidence[..., None], images.shape[1:3], interpolation="bilinear")
    shown = np.maximum(keras.ops.convert_to_numpy(large)[..., 0], 0.0)
    highest = shown.max(axis=(1, 2), keepdims=True)
    return np.divide(shown, highest, np.zeros_like(shown), where=highest > 0)


def _chosen(task: Task, outputs: np.ndarray, scores: Any, classes: np.ndarray | None) -> Any:
    """Return the sum over rows of the scores that are explained; rows do not depend on each other."""
    decoded, columns = task.decode(outputs), outputs.shape[1]
    number = columns if decoded.probabilities is None else decoded.probabilities.shape[1]
    if classes is not None:
        if classes.min() < 0 or classes.max() >= number:
            raise MTLError(
                f"`classes` must be from 0 to {number - 1} for task {task.name!r}. Received: {int(classes.min())} to "
                f"{int(classes.max())}. Pass classes of that task."
            )
    elif decoded.probabilities is None:
        if number > 1:
            raise MTLError(
                f"`classes` must say which of several numbers is explained. Received: none for task {task.name!r} of {number}. "
                "Pass e.g. classes=0."
            )
        classes = np.zeros(len(outputs), int)
    else:
        classes = decoded.values if decoded.values.ndim == 1 else decoded.probabilities.argmax(axis=1)
    if number == 2 and columns == 1:
        # One score speaks for the second class, and against the first.
        return keras.ops.sum(scores[:, 0] * np.where(classes == 1, 1.0, -1.0).astype(np.float32))
    return keras.ops.sum(scores * np.eye(columns, dtype=np.float32)[classes])
