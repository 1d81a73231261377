"""The smallest study that has everything, and the command line called within this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_keras.cli import main

__all__ = ["TINY", "Done", "command", "study_file"]

#: One convolution of 1x1 px on a hundred rows: what takes time is TensorFlow's tracing, a second or two a training.
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
    """Write the study, with some of its text replaced."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "tiny.py"
    path.write_text(text, encoding="utf-8")
    return path
