"""What TensorBoard shows: curves by task, the table of hyperparameters, pictures."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from mtl_keras.tasks import Tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TensorBoardLog", "write_hparams", "write_hparams_space", "write_images"]


class TensorBoardLog(keras.callbacks.Callback):
    """Writes each epoch's losses, metrics, skill, loss weights and learning rate for TensorBoard.

    Tags are grouped by task: `{task}/loss`, `{task}/{metric}`, `all/loss`, `all/skill`, in the runs `train` and
    `validation`; `loss_weight/{task}` and `learning_rate` in `train`. Steps are epochs from 1, counting on through
    phases. It has to come after the callbacks that add skill, loss weights and learning rate to the log.

    Args:
        log_dir: Folder of this training alone: events that a killed attempt left in it are removed.
        tasks: The tasks of the model.
    """

    def __init__(self, log_dir: str | Path, tasks: Tasks) -> None:
        super().__init__()
        self.log_dir = Path(log_dir)
        self.tasks = tasks
        self.steps = 0
        self._writers: dict[str, Any] = {}
        self._unseen: list[dict[str, Any]] = []

    def on_resume(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take over the epochs of a training that goes on: their events are written anew."""
        self._unseen = list(rows)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.steps:
            for folder in (self.log_dir, self.log_dir / "train", self.log_dir / "validation"):
                for old in folder.glob("events.out.tfevents.*"):
                    old.unlink()
        for split in ("train", "validation"):
            self._writers[split] = tf.summary.create_file_writer(str(self.log_dir / split))
        while self._unseen:
            row = self._unseen.pop(0)
            self.on_epoch_end(row["epoch"] - 1, row)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        self.steps += 1
        for split, prefix in (("train", ""), ("validation", "val_")):
            names = _tags(self.tasks, prefix) | {f"{prefix}loss": "all/loss"}
            if split == "train":
                names |= {f"loss_weight_{task}": f"loss_weight/{task}" for task in self.tasks}
                names["learning_rate"] = "learning_rate"
            with self._writers[split].as_default(step=self.steps):
                for name, tag in names.items():
                    if name in logs:
                        tf.summary.scalar(tag, float(logs[name]))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def write_hparams_space(log_dir: str | Path, hyperparameters: Mapping[str, Mapping[str, Any]], tasks: Tasks) -> None:
    """Write the columns of TensorBoard's HParams table: what is searched, skill, and each task's own metric.

    TensorBoard cannot express which direction is better, so that a metric's description says it. It shows the first
    five hyperparameters by name until more are ticked; those with a single value get no column.

    Args:
        log_dir: Folder above those of the trials.
        hyperparameters: `{name: {"values": [...]}}`, values all of one type, or `{name: {"min": ..., "max": ...}}`.
        tasks: The tasks of the study.
    """
    searched = {name: values for name, values in hyperparameters.items() if len(values.get("values", (0, 1))) > 1}
    columns = [hparams_api.HParam(name, _domain(values)) for name, values in searched.items()]
    metrics = [
        hparams_api.Metric(
            "all/skill",
            display_name="skill",
            description="mean over tasks of the way from the trivial predictor (0) to perfection (1), higher is better",
        )
    ]
    metrics += [
        hparams_api.Metric(
            f"{name}/{task.metric.name}", display_name=f"{name} {task.metric.name}", description=task.metric.reading
        )
        for name, task in tasks.items()
    ]
    with _events(log_dir):
        hparams_api.hparams_config(columns, metrics)


def write_hparams(
    log_dir: str | Path,
    values: Mapping[str, Any],
    name: str,
    *,
    tasks: Tasks,
    scores: Mapping[str, float],
    step: int,
) -> None:
    """Write a finished trial's row of the HParams table: its hyperparameters, and its scores at the chosen epoch.

    The table shows the last value of a curve. These scores are therefore a point of their own, in the trial's own run:
    on the charts it marks the chosen epoch.

    Args:
        log_dir: Folder of the trial, the one that `TensorBoardLog` writes into.
        values: Hyperparameters by name, each a bool, a number or text.
        name: Name of the trial; equal names make one row with the mean of their scores.
        tasks: The tasks of the study.
        scores: Validation values of the chosen epoch: `skill`, `{task}_{metric}`, `{task}_loss`.
        step: The chosen epoch, counting on through phases.
    """
    with _events(log_dir):
        hparams_api.hparams(dict(values), trial_id=name)
        for entry, tag in _tags(tasks, "").items():
            if entry in scores:
                tf.summary.scalar(tag, float(scores[entry]), step=step)
        ended = hparams_summary.session_end_pb(api_pb2.STATUS_SUCCESS)
        tf.summary.experimental.write_raw_pb(ended.SerializeToString(), step=step)


def write_images(log_dir: str | Path, figures: Mapping[str, Figure], step: int) -> None:
    """Write pictures for TensorBoard's Images tab.

    Args:
        log_dir: Folder of the run that the pictures belong to.
        figures: Matplotlib figures by tag, e.g. `"fine/confusion"`.
        step: The epoch that they show, or 0.
    """
    with _events(log_dir):
        for tag, figure in figures.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            tf.summary.image(tag, tf.io.decode_png(buffer.getvalue(), channels=3)[None], step=step)


def _tags(tasks: Tasks, prefix: str) -> dict[str, str]:
    """Return `{entry of the log: tag}` for what both splits have; built from the names, which may hold underscores."""
    tags = {
        f"{prefix}{name}_{metric}": f"{name}/{metric}" for name, task in tasks.items() for metric in ("loss", task.metric.name)
    }
    return tags | {f"{prefix}skill": "all/skill"}


@contextlib.contextmanager
def _events(log_dir: str | Path) -> Iterator[None]:
    """Keep an event file open for the length of a block."""
    writer = tf.summary.create_file_writer(str(log_dir))
    with writer.as_default():
        yield
    writer.close()


def _domain(values: Mapping[str, Any]) -> Any:
    """Return the domain of a hyperparameter."""
    if "values" in values:
        return hparams_api.Discrete(values["values"])
    ends = values["min"], values["max"]
    if all(isinstance(end, int) for end in ends):
        return hparams_api.IntInterval(*ends)
    return hparams_api.RealInterval(*map(float, ends))
