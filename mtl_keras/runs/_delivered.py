"""What a record says of the delivered model: its data, the reliability of its probabilities, and its worst mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from mtl_keras.data import Data, Split
from mtl_keras.evaluation import Evaluation
from mtl_keras.explain import grad_cam
from mtl_keras.mistakes import Mistakes
from mtl_keras.model import MultiTaskModel, feature_map
from mtl_keras.pages import image_uri
from mtl_keras.report import Delivered, Mistake, Sample, TaskDetails
from mtl_keras.tasks import Task

__all__ = ["describe_delivered"]

#: Tasks that are described: as many as a page shows.
TASKS = 12
#: Mistakes of all tasks together, and of one task at least and at most; a committed record stays below 200 kB.
MISTAKES, FEWEST, MOST = 20, 2, 6
#: Rows of the training split that are shown.
SAMPLES = 8
#: Longer side of an image in px.
SIDE = 96
#: Labels of a set that are named.
NAMED = 5
#: A map with fewer places on a side says almost nothing.
COARSE = 3
#: Color of the places that speak for a class, and how much of the image it hides at most.
COLOR, OPACITY = (255.0, 70.0, 0.0), 0.7


def describe_delivered(model: MultiTaskModel, data: Data, evaluation: Evaluation, *, run: str, seed: int) -> Delivered:
    """Return what a record says of the delivered model.

    Nothing is evaluated again: the mistakes are those that the evaluation has kept.

    Args:
        model: The delivered model.
        data: The data that it was trained on.
        evaluation: Of the model on one of its splits.
        run: Label of the approach.
        seed: Number of the training.
    """
    splits = {name: split for name in ("train", "validation", "test") if (split := getattr(data, name)) is not None}
    rows = splits[evaluation.split].first_view()
    tasks = {name: task for name, task in model.recipe.tasks.items() if not task.from_input}
    shown = dict(list(tasks.items())[:TASKS])
    most = min(max(MISTAKES // max(len(shown), 1), FEWEST), MOST)
    shape = model.recipe.image_shape
    shapes = shape if isinstance(shape, Mapping) else {"input": shape}
    names = {name: _names(task, evaluation.class_names.get(name, ())) for name, task in shown.items()}
    return Delivered(
        run=run,
        seed=seed,
        split=evaluation.split,
        inputs={name: [side or 0 for side in shape] for name, shape in shapes.items()},
        rows={name: len(split) for name, split in splits.items()},
        tasks={
            name: TaskDetails(
                kind=type(task).__name__,
                labeled={where: int((split.weight[name] > 0).sum()) for where, split in splits.items()},
                classes=names[name],
                class_rows={where: _class_rows(task, split) for where, split in splits.items()} if names[name] else {},
                counts=evaluation.class_counts[name].tolist() if name in evaluation.class_counts else (),
                reliability=evaluation.reliability.get(name, ()),
                wrong=evaluation.mistakes[name].n if names[name] and name in evaluation.mistakes else None,
                mistakes=_mistakes(model, rows, task, names[name], evaluation.mistakes.get(name), most),
            )
            for name, task in shown.items()
        },
        samples=_samples(data, shown, names),
    )


def _names(task: Task, given: Sequence[str]) -> list[str]:
    """Return the names of a task's classes, or their numbers; none for a task without classes."""
    return list(given or task.class_names or map(str, range(task.class_count or 0)))


def _class_rows(task: Task, split: Split) -> list[int]:
    """Return how many rows of a split each class or label has."""
    return [int(count) for count in task.label_counts(split.y[task.name][split.weight[task.name] > 0])]


def _samples(data: Data, tasks: Mapping[str, Task], names: Mapping[str, Sequence[str]]) -> list[Sample]:
    """Return some rows of the training split, evenly spaced, if they are images."""
    train = data.train.first_view()
    if data.features is not None or train.images is None or not _shows(train.images):
        return []
    found = []
    for row in np.unique(np.linspace(0, len(train) - 1, SAMPLES).astype(int)):
        labels = [
            f"{name}: {_label(task, train.y[name][row], names[name])}"
            for name, task in list(tasks.items())[:NAMED]
            if train.weight[name][row] > 0
        ]
        found.append(Sample(_thumbnail(train.images[row]), "; ".join(labels) or "no label"))
    return found


def _mistakes(
    model: MultiTaskModel, rows: Split, task: Task, names: Sequence[str], mistakes: Mistakes | None, most: int
) -> list[Mistake]:
    """Return the worst mistakes of a task with their pictures."""
    if mistakes is None or not len(mistakes.rows):
        return []
    places, outputs = mistakes.rows[:most], mistakes.outputs[:most]
    stored, decoded = rows.y[task.name][places], task.decode(outputs)
    chosen = _explained(task, stored, outputs)
    pictures: list[tuple[str, str]] = [("", "")] * len(places)
    if rows.images is not None and _shows(rows.images):
        images = np.stack([rows.images[place] for place in places])
        heats = _heats(model, images, task, chosen)
        pictures = [
            (_thumbnail(image), "" if heat is None else _thumbnail(image, heat))
            for image, heat in zip(images, heats, strict=True)
        ]
    found = []
    for number, (place, (image, heat)) in enumerate(zip(places, pictures, strict=True)):
        probabilities = None if decoded.probabilities is None else decoded.probabilities[number]
        found.append(
            Mistake(
                row=int(place),
                truth=_label(task, stored[number], names, probabilities),
                predicted=_label(task, decoded.values[number], names, probabilities),
                image=image,
                heat=heat,
                explained=names[chosen[number]]
                if heat and names
                else f"number {chosen[number]}"
                if heat and outputs.shape[1] > 1
                else "",
            )
        )
    return found


def _explained(task: Task, stored: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return what is explained of each row: the predicted class, or the label or number that is farthest from the truth."""
    decoded = task.decode(outputs)
    if decoded.probabilities is not None and decoded.values.ndim == 1:
        return np.asarray(decoded.values)
    away = np.abs(outputs.reshape(len(outputs), -1) - np.asarray(stored, np.float64).reshape(len(outputs), -1))
    known = task.known_parts(stored)
    return np.asarray(np.where(True if known is None else known, away, -1.0).argmax(axis=1))


def _heats(model: MultiTaskModel, images: np.ndarray, task: Task, chosen: np.ndarray) -> Sequence[np.ndarray | None]:
    """Return where the head looks, None for each image if the map of the backbone is too coarse to say it."""
    maps = feature_map(model.features)
    # Of several inputs the features are joined: there is no map of one of them.
    if maps is None or min(side or COARSE for side in maps.shape[1:3]) < COARSE:
        return [None] * len(images)
    return list(grad_cam(model, images, task.name, chosen))


def _label(task: Task, value: Any, names: Sequence[str], probabilities: np.ndarray | None = None) -> str:
    """Return a label or a prediction in words, with its probability where it is known."""
    array, known = np.asarray(value), list(names)
    if not known:
        return ", ".join("missing" if np.isnan(each) else f"{each:.4g}" for each in array.reshape(-1).astype(float)[:NAMED])
    if array.ndim:
        found = [known[int(label)] for label in np.flatnonzero(array == 1)]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return (", ".join(found[:NAMED]) + more) or "none"
    shown = known[int(array)]
    return shown if probabilities is None else f"{shown} ({probabilities[int(array)]:.2f})"


def _shows(images: np.ndarray) -> bool:
    """Return whether inputs are pictures."""
    return images.ndim == 4 and images.shape[-1] in (1, 3)


def _thumbnail(image: np.ndarray, heat: np.ndarray | None = None) -> str:
    """Return an image as an address within a page; with a map, in gray below the color of the map."""
    pixels = np.asarray(image, np.float32)
    pixels = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels
    if heat is not None:
        share = OPACITY * heat[..., None]
        gray = pixels.mean(axis=-1, keepdims=True)
        pixels = gray * (1 - share) + np.array(COLOR, np.float32) * share
    picture = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    longer = max(picture.size)
    if longer > SIDE:
        picture.thumbnail((SIDE, SIDE))
        return image_uri(np.asarray(picture))
    factor = max(SIDE // longer, 1)
    enlarged = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return image_uri(np.asarray(enlarged), "png" if factor > 1 else "jpeg")
