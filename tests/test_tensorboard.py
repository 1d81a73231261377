"""What TensorBoard shows, read with TensorBoard's own readers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.get_experiment import Handler as GetExperiment
from tensorboard.plugins.hparams.list_session_groups import Handler as ListSessionGroups

import mtl_keras as mtl
from mtl_keras.callbacks import TensorBoardLog, write_hparams, write_hparams_space, write_images
from mtl_keras.training import Run

# One name starts with the other and ends like a loss.
TASKS = mtl.Tasks(mtl.Classification("a", label="digit", classes=10), mtl.Binary("a_loss", label="parity"))
SPACE: dict[str, dict[str, Any]] = {
    "depth": {"values": [0, 1, 2]},
    "rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
    "width": {"min": 8, "max": 64},
    "norm": {"values": [False, True]},
    "fixed": {"values": [3]},
}
EPOCH = {"loss": 2.0, "a_loss": 1.5, "a_loss_loss": 0.5, "a_accuracy": 0.4, "a_loss_accuracy": 0.6, "skill": 0.3}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """`{tag: [(step, value), ...]}` of one run."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
    }


def log_epochs(callback: TensorBoardLog, *epochs: dict[str, float]) -> None:
    callback.on_train_begin()
    for number, logs in enumerate(epochs):
        callback.on_epoch_end(number, logs)
    callback.on_train_end()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    folder = tmp_path_factory.mktemp("logs")
    data = mtl.data.load("digits", TASKS).subset(n_train=128)
    backbone = mtl.Backbone("SmallCNN", filters=(4,))
    model = mtl.build_model(TASKS, backbone, image_shape=data.image_shape, shared=(4,))
    phases = mtl.Phase(epochs=2, weighting={"a": 1.5, "a_loss": 0.5}), mtl.Phase(epochs=1, optimizer="sgd")
    return folder, mtl.train(model, data, *phases, callbacks=[TensorBoardLog(folder, TASKS)])


class TestTraining:
    def test_every_entry_of_the_log_has_a_tag(self, trained: tuple[Path, Run]) -> None:
        folder, run = trained
        both = {"all/loss", "all/skill", "a/loss", "a/accuracy", "a_loss/loss", "a_loss/accuracy"}
        tags = both | {tag.replace("/", "/train_") for tag in both} | {"loss_weight/a", "loss_weight/a_loss", "learning_rate"}
        assert scalars(folder).keys() == tags
        # No entry of the training log is missing.
        assert len(run.history[0]) - 2 == len(tags)

    def test_steps_continue_through_phases(self, trained: tuple[Path, Run]) -> None:
        folder, run = trained
        found = scalars(folder)
        names = {"all/skill": "skill", "a/loss": "a_loss", "a_loss/loss": "a_loss_loss", "a/accuracy": "a_accuracy"}
        for tag, name in names.items():
            for shown, entry in ((tag, f"val_{name}"), (tag.replace("/", "/train_"), name)):
                steps, values = zip(*found[shown], strict=True)
                assert steps == (1, 2, 3)
                assert values == pytest.approx([row[entry] for row in run.history])
        assert [value for _, value in found["loss_weight/a"]] == [1.5, 1.5, 1.0]
        assert [value for _, value in found["learning_rate"]] == pytest.approx([0.001, 0.001, 0.01])


class TestLog:
    def test_names_with_a_common_prefix(self, tmp_path: Path) -> None:
        log_epochs(TensorBoardLog(tmp_path, TASKS), EPOCH | {f"val_{name}": 10 * value for name, value in EPOCH.items()})
        expected = {
            "all/loss": 2.0,
            "all/skill": 0.3,
            "a/loss": 1.5,
            "a_loss/loss": 0.5,
            "a/accuracy": 0.4,
            "a_loss/accuracy": 0.6,
        }
        train = {tag.replace("/", "/train_"): value for tag, value in expected.items()}
        validation = {tag: 10 * value for tag, value in expected.items()}
        assert {tag: value for tag, ((_, value),) in scalars(tmp_path).items()} == pytest.approx(train | validation)

    def test_what_is_not_logged_is_left_out(self, tmp_path: Path) -> None:
        log_epochs(TensorBoardLog(tmp_path, TASKS), {"a_loss": 1.0})
        assert scalars(tmp_path) == {"a/train_loss": [(1, 1.0)]}

    def test_a_repeated_training_replaces_an_interrupted_one(self, tmp_path: Path) -> None:
        killed = TensorBoardLog(tmp_path, TASKS)
        killed.on_train_begin()
        for number in range(3):
            killed.on_epoch_end(number, {"loss": 9.0})
        (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
        log_epochs(TensorBoardLog(tmp_path, TASKS), {"loss": 1.0})
        assert scalars(tmp_path) == {"all/train_loss": [(1, 1.0)]}
        assert (tmp_path / "notes.txt").exists()

    def test_epochs_are_written_before_the_training_ends(self, tmp_path: Path) -> None:
        callback = TensorBoardLog(tmp_path, TASKS)
        callback.on_train_begin()
        callback.on_epoch_end(0, {"loss": 1.0})
        assert scalars(tmp_path) == {"all/train_loss": [(1, 1.0)]}

    def test_a_copy_logs_as_well(self, tmp_path: Path) -> None:
        # keras-tuner copies callbacks.
        log_epochs(copy.deepcopy(TensorBoardLog(tmp_path, TASKS)), {"loss": 1.0})
        assert scalars(tmp_path) == {"all/train_loss": [(1, 1.0)]}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    write_hparams_space(folder, SPACE, TASKS)
    trials: list[tuple[str, dict[str, Any], list[float]]] = [
        ("trial-000", {"depth": 0, "rate": 1e-3, "norm": True, "fixed": 3}, [0.5]),
        ("trial-001", {"depth": 2, "rate": 1e-2, "norm": False, "fixed": 3, "width": 16}, [0.2, 0.4]),
    ]
    for name, values, skills in trials:
        for execution, skill in enumerate(skills):
            own = folder / f"{name}-{execution}"
            log_epochs(TensorBoardLog(own, TASKS), *({"val_skill": value} for value in (0.1, skill, 0.0)))
            scores = {"skill": skill, "a_accuracy": skill / 2, "a_loss": 7.0, "a_loss_accuracy": 0.25, "epoch": 2.0}
            write_hparams(own, values, name, tasks=TASKS, scores=scores, step=2)
    return folder


@pytest.fixture(scope="module")
def backend(logs: Path) -> Context:
    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0, "hparams": 0}).AddRunsFromDirectory(str(logs))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logs))
    return Context(TBContext(data_provider=provider, logdir=str(logs)))


class TestHParams:
    def test_columns(self, backend: Context) -> None:
        experiment = GetExperiment(RequestContext(), backend, "", api_pb2.GetExperimentRequest()).run()
        columns = {info.name: info for info in experiment.hparam_infos}
        assert columns.keys() == {"depth", "rate", "width", "norm"}
        assert [value.number_value for value in columns["depth"].domain_discrete.values] == [0, 1, 2]
        assert (columns["rate"].domain_interval.min_value, columns["rate"].domain_interval.max_value) == (1e-4, 1e-2)
        assert columns["width"].domain_interval.max_value == 64
        assert columns["norm"].type == api_pb2.DATA_TYPE_BOOL
        assert [(info.name.group, info.name.tag, info.display_name) for info in experiment.metric_infos] == [
            ("", "best/skill", "skill"),
            ("", "best/a_accuracy", "a accuracy"),
            ("", "best/a_loss_accuracy", "a_loss accuracy"),
        ]
        assert all(info.description.endswith("higher is better") for info in experiment.metric_infos)
        assert experiment.metric_infos[1].description == TASKS["a"].metric.description

    def test_rows(self, backend: Context) -> None:
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=10,
            aggregation_type=api_pb2.AGGREGATION_AVG,
            allowed_statuses=[api_pb2.STATUS_SUCCESS],
            col_params=[api_pb2.ColParams(metric=api_pb2.MetricName(tag="best/skill"), order=api_pb2.ORDER_DESC)],
        )
        groups = ListSessionGroups(RequestContext(), backend, "", request).run().session_groups
        assert [group.name for group in groups] == ["trial-000", "trial-001"]
        first, second = ({value.name.tag: value.value for value in group.metric_values} for group in groups)
        # Of the best epoch, not of the last one, where skill was 0; the two seeds of a trial are averaged.
        assert first["best/skill"] == pytest.approx(0.5)
        assert second == pytest.approx({"best/skill": 0.3, "best/a_accuracy": 0.15, "best/a_loss_accuracy": 0.25})
        assert dict(groups[1].hparams.items()).keys() == {"depth", "rate", "norm", "fixed", "width"}
        assert groups[1].hparams["width"].number_value == 16
        assert groups[0].hparams["norm"].bool_value is True
        assert "width" not in groups[0].hparams

    def test_the_best_epoch_is_a_point_of_its_own(self, logs: Path) -> None:
        assert scalars(logs / "trial-000-0") == {
            "all/skill": [(1, pytest.approx(0.1)), (2, 0.5), (3, 0.0)],
            "best/skill": [(2, 0.5)],
            "best/a_accuracy": [(2, 0.25)],
            "best/a_loss_accuracy": [(2, 0.25)],
        }


def test_images(tmp_path: Path) -> None:
    figure = matplotlib.figure.Figure(figsize=(2, 1), dpi=50, facecolor=(1.0, 0.0, 0.0))
    write_images(tmp_path, {"a/confusion": figure, "a_loss/confusion": figure}, step=4)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["tensors"] == ["a/confusion", "a_loss/confusion"]
    assert events.SummaryMetadata("a/confusion").plugin_data.plugin_name == "images"
    (event,) = events.Tensors("a/confusion")
    assert event.step == 4
    width, height, encoded = tf.make_ndarray(event.tensor_proto).tolist()
    assert (int(width), int(height)) == (100, 50)
    pixels = np.asarray(tf.io.decode_png(encoded))
    assert pixels.reshape(-1, 3).mean(axis=0).tolist() == [255, 0, 0]
