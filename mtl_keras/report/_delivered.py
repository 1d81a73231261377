"""What is known of the delivered model and its data, as plain values: what only a process with the model can compute."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mtl_keras.calibration import Reliability
from mtl_keras.errors import (
    MTLError,
    check_count,
    check_instance,
    check_instances,
    check_mapping,
    check_names,
    check_seed,
    check_text,
    describe,
    store,
)
from mtl_keras.report._check import check_split

__all__ = ["Delivered", "Mistake", "Sample", "TaskDetails"]

#: An image within a page; nothing else may stand where a page has its address.
IMAGE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*")


@dataclass(frozen=True)
class Sample:
    """A row of the training split.

    Args:
        image: As the address of an image within a page, `data:image/png;base64,...`; may be empty.
        text: Its labels, a few words.
    """

    image: str
    text: str

    def __post_init__(self) -> None:
        _check_image("image", self.image, "a sample")
        check_text("text", self.text, of="a sample")


@dataclass(frozen=True)
class Mistake:
    """A row that the model is wrong about.

    Args:
        row: Its number in the split, from 0.
        truth: Its label, in words.
        predicted: What was predicted, in words.
        image: As of a `Sample`; empty (default) if the rows are no images.
        heat: The same image with what Grad-CAM finds; empty (default) without.
        explained: What the map is evidence for, e.g. a class; default empty.
    """

    row: int
    truth: str
    predicted: str
    image: str = ""
    heat: str = ""
    explained: str = ""

    def __post_init__(self) -> None:
        of = "a mistake"
        store(self, row=check_count("row", self.row, minimum=0, of=of))
        for name in ("truth", "predicted"):
            check_text(name, getattr(self, name), of=of)
        for name in ("image", "heat"):
            _check_image(name, getattr(self, name), of)
        if not isinstance(self.explained, str) or self.explained:
            check_text("explained", self.explained, of=of)


@dataclass(frozen=True)
class TaskDetails:
    """What is known of one task.

    Args:
        kind: Name of the kind, e.g. `"Classification"`.
        labeled: Number of labeled rows by split.
        classes: Names of the classes or labels, or their numbers; default none.
        class_rows: By split, how many rows each class or label has; default none.
        counts: For each class or label its correct predictions, predictions and labels on the split of the evaluation.
        reliability: As of an `Evaluation`; default none.
        wrong: Number of wrong rows on the split of the evaluation; None (default) for numbers, which are never right.
        mistakes: The worst of them.
    """

    kind: str
    labeled: Mapping[str, int]
    classes: Sequence[str] = ()
    class_rows: Mapping[str, Sequence[int]] = field(default_factory=dict)
    counts: Sequence[Sequence[int]] = ()
    reliability: Sequence[Reliability] = ()
    wrong: int | None = None
    mistakes: Sequence[Mistake] = ()

    def __post_init__(self) -> None:
        of = "details of a task"
        check_text("kind", self.kind, of=of)
        store(self, labeled=_counts("labeled", self.labeled, of), classes=check_names("classes", self.classes, of=of))
        given = _by_split("class_rows", self.class_rows, of)
        rows = {split: _numbers(f"class_rows[{split!r}]", each, of) for split, each in given.items()}
        counts = [_numbers("counts", each, of) for each in _listed("counts", self.counts, of)]
        store(self, class_rows=rows, counts=tuple(counts))
        if self.wrong is not None:
            store(self, wrong=check_count("wrong", self.wrong, minimum=0, of=of))
        store(self, mistakes=check_instances("mistakes", self.mistakes, Mistake, of=of))
        store(self, reliability=check_instances("reliability", self.reliability, Reliability, of=of))
        size = len(self.classes)
        if any(len(each) != size for each in rows.values()) or len(counts) not in (0, size) or {*map(len, counts)} - {3}:
            raise MTLError(
                f"`class_rows` of {of} must have a number for each of its `classes`, and `counts` three. Received: {size} "
                "classes. Give all of them."
            )


@dataclass(frozen=True)
class Delivered:
    """The delivered model and its data. A run computes it where it ends, and a record keeps it in delivered.json.

    Args:
        run: Label of the approach that it comes from.
        seed: Number of its training.
        split: The split that it was evaluated on.
        inputs: Shape of each input by name, a single one as `"input"`. A side that varies is 0.
        rows: Number of rows by split.
        tasks: Details by task; of more than a dozen tasks, of the first ones.
        samples: Some rows of the training split.
    """

    run: str
    seed: int
    split: str
    inputs: Mapping[str, Sequence[int]]
    rows: Mapping[str, int]
    tasks: Mapping[str, TaskDetails]
    samples: Sequence[Sample] = ()

    def __post_init__(self) -> None:
        of = "a delivered model"
        check_text("run", self.run, of=of)
        store(self, seed=check_seed("seed", self.seed, of=of), split=check_split(self.split))
        shapes = check_mapping("inputs", self.inputs, of=of)
        store(self, inputs={name: _numbers(f"inputs[{name!r}]", shape, of) for name, shape in shapes.items()})
        store(self, rows=_counts("rows", self.rows, of))
        for name, each in check_mapping("tasks", self.tasks, of=of).items():
            check_instance(f"tasks[{name!r}]", each, TaskDetails, "Pass report.TaskDetails(...).", of=of)
        store(self, samples=check_instances("samples", self.samples, Sample, of=of))

    def config(self) -> dict[str, Any]:
        """Return plain JSON values; `from_config` reads them."""
        return {
            **{name: getattr(self, name) for name in ("run", "seed", "split")},
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "rows": dict(self.rows),
            "tasks": {name: _config(each) for name, each in self.tasks.items()},
            "samples": [asdict(each) for each in self.samples],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Delivered:
        """Return what `config` has written.

        Raises:
            KeyError, TypeError, ValueError: If it is something else.
        """
        tasks = {
            name: TaskDetails(
                **{
                    **each,
                    "reliability": [_reliability(bins) for bins in each["reliability"]],
                    "mistakes": [Mistake(**mistake) for mistake in each["mistakes"]],
                }
            )
            for name, each in config["tasks"].items()
        }
        samples = [Sample(**each) for each in config["samples"]]
        return cls(**{**config, "tasks": tasks, "samples": samples})


def _config(task: TaskDetails) -> dict[str, Any]:
    """Return plain JSON values; JSON has no NaN."""
    bins = [
        {name: [None if math.isnan(value) else round(value, 6) for value in values] for name, values in asdict(each).items()}
        for each in task.reliability
    ]
    return {**asdict(task), "reliability": bins}


def _reliability(config: Mapping[str, Any]) -> Reliability:
    return Reliability(
        tuple(int(count) for count in config["counts"]),
        *(tuple(math.nan if value is None else float(value) for value in config[name]) for name in ("confidence", "frequency")),
    )


def _counts(name: str, value: Any, of: str) -> dict[str, int]:
    """Return numbers of rows by split, after checking them."""
    given = _by_split(name, value, of)
    return {split: check_count(f"{name}[{split!r}]", n, minimum=0, of=of) for split, n in given.items()}


def _by_split(name: str, value: Any, of: str) -> dict[str, Any]:
    """Return a mapping by split, after checking its keys."""
    given = check_mapping(name, value, of=of)
    if others := given.keys() - {"train", "validation", "test"}:
        raise MTLError(
            f"`{name}` of {of} must be by split. Received: {', '.join(sorted(others))}. Use train, validation and test."
        )
    return given


def _listed(name: str, value: Any, of: str) -> Sequence[Any]:
    """Return a list, after checking that it is one."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise MTLError(f"`{name}` of {of} must be a list. Received: {name}={describe(value)}. Pass a list.")
    return value


def _numbers(name: str, value: Any, of: str) -> tuple[int, ...]:
    """Return whole numbers of at least 0, after checking them."""
    return tuple(check_count(name, each, minimum=0, of=of) for each in _listed(name, value, of))


def _check_image(name: str, value: Any, of: str) -> None:
    """Refuse an address that is not an image within the page."""
    if not isinstance(value, str) or (value and not IMAGE.fullmatch(value)):
        raise MTLError(
            f"`{name}` of {of} must be an image within the page. Received: {name}={describe(value)}. Pass "
            "'data:image/png;base64,...', or nothing."
        )
