"""TensorBoard logs: curves by task, the table of hyperparameters, and images."""

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
    """Write the losses, metrics, skill, loss weights and learning rate of each epoch for TensorBoard.

    Tags are grouped by task. Validation: `{task}/loss`, `{task}/{metric}`, `all/loss`, `all/skill`; training:
    `{task}/train_loss` and so on; also `loss_weight/{task}`, `learning_rate`, and `steps/{data set}` for alternated data sets.
    The step of an event is the epoch, counted from 1 over all phases. The callback must come after those that add skill, loss
    weights and learning rate to the log.

    A training is a single TensorBoard run, since TensorBoard selects runs by default only if there are at most 40.

    Args:
        log_dir: Folder for this training only: event files from an interrupted attempt are removed.
        tasks: The tasks of the model.
    """

    def __init__(self, log_dir: str | Path, tasks: Tasks) -> None:
        super().__init__()
        self.log_dir = Path(log_dir)
        self.tasks = tasks
        self.steps = 0
        self._writer: Any = None
        self._pending: list[dict[str, Any]] = []

    def on_resume(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the log of the epochs before a resume; their events are written again."""
        self._pending = list(rows)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.steps:
            for old in self.log_dir.glob("events.out.tfevents.*"):
                old.unlink()
        self._writer = tf.summary.create_file_writer(str(self.log_dir))
        while self._pending:
            row = self._pending.pop(0)
            self.on_epoch_end(row["epoch"] - 1, row)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        self.steps += 1
        tags = {f"loss_weight_{task}": f"loss_weight/{task}" for task in self.tasks} | {"learning_rate": "learning_rate"}
        for (group, metric), name in _log_names(self.tasks).items():
            tags |= {f"val_{name}": f"{group}/{metric}", name: f"{group}/train_{metric}"}
        tags |= {
            name: f"steps/{name.removeprefix('steps_')}" for name in logs if name.startswith("steps_") and name not in tags
        }
        with self._writer.as_default(step=self.steps):
            for name, tag in tags.items():
                if name in logs:
                    tf.summary.scalar(tag, float(logs[name]))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._writer.close()
        self._writer = None


def write_hparams_space(log_dir: str | Path, hyperparameters: Mapping[str, Mapping[str, Any]], tasks: Tasks) -> None:
    """Write the columns of TensorBoard's HParams table: hyperparameters, skill, and the metric of each task.

    TensorBoard has no field for the direction of a metric, so its description states it. By default TensorBoard shows the
    first five hyperparameters by name. Hyperparameters with a single value get no column.

    Args:
        log_dir: Parent folder of the trials' folders.
        hyperparameters: `{name: {"values": [...]}}`, values all of one type, or `{name: {"min": ..., "max": ...}}`.
        tasks: The tasks of the study.
    """
    searched = {name: values for name, values in hyperparameters.items() if len(values.get("values", (0, 1))) > 1}
    columns = [hparams_api.HParam(name, _domain(values)) for name, values in searched.items()]
    metrics = [
        hparams_api.Metric(
            "best/skill",
            display_name="skill",
            description="mean over tasks, from 0 (trivial predictor) to 1 (perfect prediction), higher is better",
        )
    ]
    metrics += [
        hparams_api.Metric(
            f"best/{name}_{task.metric.name}", display_name=f"{name} {task.metric.name}", description=task.metric.description
        )
        for name, task in tasks.items()
    ]
    with _event_file(log_dir):
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
    """Write the row of a finished trial in the HParams table: its hyperparameters and its scores at the best epoch.

    The table shows the last value of each curve. The scores are therefore written as separate points, `best/skill` and
    `best/{task}_{metric}`, at the best epoch.

    Args:
        log_dir: Folder of the trial, the one that `TensorBoardLog` writes to.
        values: Hyperparameters by name, each a bool, a number or a string.
        name: Name of the trial; TensorBoard merges rows of equal name and averages their scores.
        tasks: The tasks of the study.
        scores: Validation scores at the best epoch: `skill`, `{task}_{metric}`.
        step: The best epoch, counted over all phases.
    """
    with _event_file(log_dir):
        hparams_api.hparams(dict(values), trial_id=name)
        for entry in ("skill", *(f"{name}_{task.metric.name}" for name, task in tasks.items())):
            if entry in scores:
                tf.summary.scalar(f"best/{entry}", float(scores[entry]), step=step)
        ended = hparams_summary.session_end_pb(api_pb2.STATUS_SUCCESS)
        tf.summary.experimental.write_raw_pb(ended.SerializeToString(), step=step)


def write_images(log_dir: str | Path, figures: Mapping[str, Figure], step: int) -> None:
    """Write figures for TensorBoard's Images tab.

    Args:
        log_dir: Folder of the training that the figures belong to.
        figures: Matplotlib figures by tag, e.g. `"fine/confusion"`.
        step: The epoch that they show, or 0.
    """
    with _event_file(log_dir):
        for tag, figure in figures.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            tf.summary.image(tag, tf.io.decode_png(buffer.getvalue(), channels=3)[None], step=step)


def _log_names(tasks: Tasks) -> dict[tuple[str, str], str]:
    """Return `{(task or "all", metric): log name}` for the entries of both splits; task names may contain underscores."""
    entries = {(name, metric): f"{name}_{metric}" for name, task in tasks.items() for metric in ("loss", task.metric.name)}
    return entries | {("all", "loss"): "loss", ("all", "skill"): "skill"}


@contextlib.contextmanager
def _event_file(log_dir: str | Path) -> Iterator[None]:
    """Open an event file for the duration of a `with` block."""
    writer = tf.summary.create_file_writer(str(log_dir))
    with writer.as_default():
        yield
    writer.close()


def _domain(values: Mapping[str, Any]) -> Any:
    """Return the domain of a hyperparameter for TensorBoard."""
    if "values" in values:
        return hparams_api.Discrete(values["values"])
    ends = values["min"], values["max"]
    if all(isinstance(end, int) for end in ends):
        return hparams_api.IntInterval(*ends)
    return hparams_api.RealInterval(*map(float, ends))
