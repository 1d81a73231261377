"""The smallest studies that have everything, and the command line called within this process."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_keras.cli import main

__all__ = ["NOISE", "TINY", "Done", "command", "config_of", "refused", "study_file", "table", "values"]

#: On digits, one convolution of 1x1 px; for what is refused before any training.
TINY = '''"""Digits in a second."""
import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))


def space(hp, context):
    settings = context.settings
    shared = mtl.search.dense_stack(hp, "shared", depth=(0, 1), width=(4, 8), default_depth=1)
    weights = mtl.search.loss_weights(hp, context, only_if=("shared_depth", [1]))
    rate = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")
    recipe = mtl.Recipe(context.tasks, settings.new_backbone(), context.image_shape, shared, freeze=settings.freeze)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    phase = mtl.Phase(epochs=settings.epochs, weighting=weights, optimizer=adam, monitor="val_skill")
    return mtl.Plan(recipe, (phase,))


SETTINGS = mtl.search.Settings(
    backbone_options={"filters": [2], "kernel_size": 1}, trials=2, epochs=1, n_final_seeds=1, train_rows=100
)
STUDY = mtl.Study("tiny", "Digits, in a second.", TASKS, "digits", (8, 8, 1), space, SETTINGS, quick={"trials": 1})
'''

#: Two tasks of noise; a configuration that is a function, one that is values, one of a single task and a single seed. What
#: takes time is TensorFlow's tracing, a second or two per network.
NOISE = '''"""Noise of which two things can be learned."""
import numpy as np

import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))


def noise(tasks, data_dir, split_seed):
    rng = np.random.default_rng(0)
    kind, odd = rng.integers(0, 3, 150), rng.integers(0, 2, 150)
    images = (rng.integers(0, 90, (150, 8, 8, 1)) + 60 * kind[:, None, None, None]).astype("uint8")
    images[:, :, :4] += (30 * odd[:, None, None, None]).astype("uint8")
    columns = {"kind": kind, "odd": odd}
    rows = (images[:90], {name: column[:90] for name, column in columns.items()})
    test = (images[90:], {name: column[90:] for name, column in columns.items()})
    return mtl.data.from_arrays(
        tasks, rows, test=test, validation_fraction=0.4, seed=split_seed, name="noise", class_names={"kind": ("a", "b", "c")}
    )


def plan_of(context, tasks, shared, rate, weights):
    recipe = mtl.Recipe(tasks, context.settings.new_backbone(), context.image_shape, shared, freeze=context.settings.freeze)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    phase = mtl.Phase(epochs=context.settings.epochs, weighting=weights, optimizer=adam, batch_size=32)
    return mtl.Plan(recipe, (phase,))


def space(hp, context):
    shared = mtl.search.dense_stack(hp, "shared", depth=(0, 1), width=(4, 8))
    weights = mtl.search.loss_weights(hp, context)
    return plan_of(context, context.tasks, shared, hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"), weights)


def joint(context):
    return plan_of(context, context.tasks, mtl.Head(dense=(4,)), 0.01, "uncertainty")


def alone(context):
    return plan_of(context, context.tasks.only("kind"), mtl.Head(), 0.01, "equal")


def claims(record):
    runs = {row["run"] for row in record.metrics}
    return [{"claim": "Sharing helps.", "verdict": f"Seen among {', '.join(sorted(runs))}."}]


TABLE = {"task": "kind", "metric": "accuracy", "value": 0.875, "note": "A. Author 2020, Table 1"}
ALONE = {"run": "single-task", "task": "kind", "metric": "accuracy", "value": 0.625}
STUDY = mtl.Study(
    "noise",
    "What is learned of noise?",
    TASKS,
    noise,
    (8, 8, 1),
    space,
    mtl.search.Settings(
        backbone_options={"filters": [2], "kernel_size": 1},
        trials=2,
        epochs=1,
        n_final_seeds=2,
        final_epochs=2,
        split_seed=5,
    ),
    quick={"n_final_seeds": 1},
    configurations={
        "joint": mtl.search.Configuration("Both at once.", joint, baselines=True, published=[TABLE, ALONE]),
        "values": mtl.search.Configuration("Named values.", {"shared_depth": 1}, {"batch_size": 16, "views": ["identity"]}),
        "alone": mtl.search.Configuration("One of them.", alone, seeds=1),
    },
    claims=claims,
)
'''


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that `--json` asks for."""
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer


def command(*arguments: object) -> Done:
    """Run `mtl-keras` with these arguments, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def study_file(folder: Path, *changes: tuple[str, str], text: str = TINY) -> Path:
    """Write a study, with some of its text replaced."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{'noise' if text.startswith(NOISE[:20]) else 'tiny'}.py"
    path.write_text(text, encoding="utf-8")
    return path


STAGES = ("Loading data", "Building the model", "Downloading data from")


def refused(done: Done, *said: str) -> None:
    """Check for one line that says all of this, no traceback, and exit code 2."""
    assert done.code == 2, done.err
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if not line.startswith(STAGES)]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("mtl-keras: ")
    for words in said:
        assert words in lines[0]


def table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values(folder: Path, *runs: str) -> dict[tuple[str, ...], float]:
    """Read metrics.csv as values by run, seed, kind of epoch, split, task and metric."""
    keys = ("run", "seed", "epoch_kind", "split", "task", "metric")
    return {
        tuple(row[key] for key in keys): float(row["value"])
        for row in table(folder / "metrics.csv")
        if not runs or row["run"] in runs
    }


def config_of(folder: Path) -> dict[str, Any]:
    """Read config.json."""
    read: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return read
