"""A training that is interrupted after any epoch and resumed ends as an uninterrupted one."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras import distribute, versions
from mtl_keras.callbacks import TensorBoardLog, _checkpoint, assign_values, get_values
from mtl_keras.data import Data, from_arrays
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.model import Head, MultiTaskModel
from mtl_keras.tasks import Binary, Tasks
from mtl_keras.training import CompiledPhases, Phase, Run, train, train_compiled
from tests import _tiny
from tests.test_tensorboard import scalars

#: Everything that a checkpoint could forget: momentum, a schedule, a running patience, dropout, a second phase.
PHASES = (
    Phase(
        epochs=3,
        batch_size=16,
        optimizer=keras.optimizers.Adam(0.02),
        schedule="cosine",
        weighting={"kind": 1, "odd": 2, "image": 0.5},
    ),
    Phase(epochs=3, batch_size=8, tasks=("kind", "odd"), freeze=("backbone",), monitor="val_odd_loss", patience=1),
)
DWA = Phase(epochs=4, batch_size=16, optimizer=keras.optimizers.Adam(0.02), weighting="dwa")


def fresh() -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(shared=Head(dense=(6,), dropout=0.5))


@dataclass
class Outcome:
    """All that is left of a training whose model is trained again afterward."""

    history: list[dict[str, Any]]
    best: Any
    values: list[np.ndarray]

    @classmethod
    def of(cls, run: Run) -> Outcome:
        with run.at_last_epoch() as model:
            last = model.get_weights()
        return cls(run.history, run.best, [*run.model.get_weights(), *last, *run.model.weighting_state.values()])


def assert_equal(outcome: Outcome, other: Outcome) -> None:
    assert outcome.history == other.history
    assert outcome.best == other.best
    for one, two in zip(outcome.values, other.values, strict=True):
        np.testing.assert_array_equal(one, two)


class Bench:
    """One model whose phases are traced once. Every training starts from the same weights, as in a new process."""

    def __init__(self) -> None:
        self.data = _tiny.data()
        self.compiled = CompiledPhases(fresh())
        self.initial = get_values(self.compiled.model.variables)

    def train(self, *phases: Phase, shift: float = 0.0, data: Data | None = None, **options: Any) -> Outcome:
        assign_values([value + shift if value.dtype == np.float32 else value for value in self.initial], self.variables)
        options = {"seed": 4, "cache_dir": False, **options}
        return Outcome.of(train_compiled(self.compiled, data or self.data, *(phases or PHASES), **options))

    @property
    def variables(self) -> list[Any]:
        return self.compiled.model.variables

    def interrupt(self, folder: Path, epoch: int, *phases: Phase, callbacks: Any = (), **options: Any) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.train(*phases, output_dir=folder, callbacks=[*callbacks, Kill(epoch)], **options)
        for callback in callbacks:
            if isinstance(callback, keras.callbacks.CSVLogger):
                callback.csv_file.close()


class Kill(keras.callbacks.Callback):
    """Interrupts at the start of an epoch, counted through phases."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.left = epoch

    def on_resume(self, rows: list[dict[str, Any]]) -> None:
        self.left -= len(rows)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> Outcome:
    return bench.train()


def test_writing_checkpoints_changes_nothing(bench: Bench, undisturbed: Outcome, tmp_path: Path) -> None:
    assert_equal(bench.train(output_dir=tmp_path), undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    # A finished training is returned as it ended.
    before = (tmp_path / "checkpoint.npz").read_bytes()
    assert_equal(bench.train(output_dir=tmp_path, callbacks=[Kill(10**6)]), undisturbed)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_checkpoints_that_a_killed_process_had_half_written_are_removed(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef-checkpoint.npz").write_bytes(b"half")
    bench.train(DWA, output_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("epochs", [(1,), (2,), (3,), (4,), (1, 2, 4), (0, 3)])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    bench: Bench, undisturbed: Outcome, epochs: tuple[int, ...], tmp_path: Path
) -> None:
    assert len(undisturbed.history) > 4
    for epoch in epochs:
        bench.interrupt(tmp_path, epoch)
    # The weights that another process starts with do not matter.
    assert_equal(bench.train(output_dir=tmp_path, shift=1.0), undisturbed)


def callbacks_of(folder: Path) -> list[Any]:
    """Callbacks of Keras with a state, and one that changes the training by it."""
    return [
        keras.callbacks.EarlyStopping("val_kind_accuracy", patience=10, restore_best_weights=False),
        keras.callbacks.ReduceLROnPlateau("val_skill", factor=0.5, patience=1, min_delta=0.5, cooldown=1),
        keras.callbacks.ModelCheckpoint(folder / "best.weights.h5", "val_skill", save_best_only=True, save_weights_only=True),
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ]


def state(callbacks: list[Any], folder: Path) -> list[Any]:
    early, plateau, checkpoint, *_ = callbacks
    kept = [early.wait, early.best, early.best_epoch, plateau.wait, plateau.best, plateau.cooldown_counter, checkpoint.best]
    return [*kept, (folder / "log.csv").read_text(encoding="utf-8"), (folder / "best.weights.h5").stat().st_size]


@pytest.mark.parametrize("epochs", [(1,), (3,), (1, 2, 3)])
def test_callbacks_of_keras_continue_with_their_state(bench: Bench, epochs: tuple[int, ...], tmp_path: Path) -> None:
    """And a weighting with a state of its own."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    for folder in (whole, resumed):
        folder.mkdir()
    callbacks = callbacks_of(whole)
    outcome = bench.train(DWA, output_dir=whole, callbacks=callbacks)
    assert outcome.history[-1]["learning_rate"] < 0.02 * 0.9**4, "the plateau was seen"
    for epoch in epochs:
        bench.interrupt(resumed, epoch, DWA, callbacks=callbacks_of(resumed))
    again = callbacks_of(resumed)
    assert_equal(bench.train(DWA, output_dir=resumed, callbacks=again), outcome)
    assert state(again, resumed) == state(callbacks, whole)
    with pytest.raises(MTLError, match=r"with the callbacks that it was started with. Received: CSVLogger instead of EarlySto"):
        bench.train(DWA, output_dir=resumed, callbacks=again[3:])


def test_callbacks_that_cannot_be_resumed_are_refused_by_name(bench: Bench, tmp_path: Path) -> None:
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(MTLError, match=r"Received: BackupAndRestore. Use mtl.train with output_dir="):
        bench.train(callbacks=[backup])
    bench.interrupt(tmp_path, 1)
    with pytest.raises(MTLError, match=r"whose state can be restored. Received: SwapEMAWeights"):
        bench.train(output_dir=tmp_path, callbacks=[keras.callbacks.SwapEMAWeights()])
    with pytest.raises(MTLError, match=r"`callbacks` must be Keras callbacks. Received: 'CSVLogger'"):
        bench.train(callbacks=["CSVLogger"])


def test_cached_features_are_those_of_the_restored_trunk(bench: Bench, tmp_path: Path) -> None:
    """The trunk is trained, then frozen: its features are those of the trunk in the checkpoint, not of a new one."""
    phases = (replace(PHASES[0], epochs=1), replace(PHASES[1], patience=None, epochs=2))
    whole = bench.train(*phases, cache_dir=tmp_path / "cache")
    for epoch in (1, 2):
        folder = tmp_path / str(epoch)
        bench.interrupt(folder, epoch, *phases, cache_dir=tmp_path / "cache")
        assert_equal(bench.train(*phases, output_dir=folder, cache_dir=tmp_path / "cache"), whole)


def test_two_replicas_are_resumed_as_well(tmp_path: Path) -> None:
    data = _tiny.data()

    def mirrored() -> MultiTaskModel:
        with distribute.strategy("mirrored", ["CPU:0", "CPU:1"]).scope():
            keras.utils.set_random_seed(3)
            return _tiny.model()

    compiled = CompiledPhases(mirrored())
    initial = get_values(compiled.model.variables)
    phase = replace(DWA, epochs=2)
    whole = train_compiled(compiled, data, phase, seed=4, cache_dir=False)
    assign_values(initial, compiled.model.variables)
    with pytest.raises(KeyboardInterrupt):
        train_compiled(compiled, data, phase, seed=4, output_dir=tmp_path, cache_dir=False, callbacks=[Kill(1)])
    again = train_compiled(compiled, data, phase, seed=4, output_dir=tmp_path, cache_dir=False)
    for one, two in zip(again.history, whole.history, strict=True):
        assert one == pytest.approx(two, rel=1e-5)


def test_tensorboard_shows_the_epochs_of_both(bench: Bench, undisturbed: Outcome, tmp_path: Path) -> None:
    logs, folder = tmp_path / "logs", tmp_path / "run"
    bench.interrupt(folder, 2, callbacks=[TensorBoardLog(logs, _tiny.TASKS)])
    bench.train(output_dir=folder, callbacks=[TensorBoardLog(logs, _tiny.TASKS)])
    shown = scalars(logs)["all/skill"]
    assert [step for step, _ in shown] == list(range(1, len(undisturbed.history) + 1))
    assert [value for _, value in shown] == pytest.approx([row["val_skill"] for row in undisturbed.history])


def test_what_is_no_checkpoint_of_this_training_is_refused(bench: Bench, tmp_path: Path) -> None:
    bench.interrupt(tmp_path, 1)
    path = tmp_path / "checkpoint.npz"
    for options, named in (({"seed": 5}, "seed"), ({"data": _tiny.data(30)}, "data")):
        with pytest.raises(MTLError, match=rf"was started with. Received: .*checkpoint.npz, which differs: {named}"):
            bench.train(output_dir=tmp_path, **options)
    with pytest.raises(MTLError, match=r"checkpoint.npz, which differs: phases is"):
        bench.train(PHASES[0], output_dir=tmp_path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    for lost in ("slots.0", "variables.0"):
        np.savez(path, **{name: array for name, array in arrays.items() if name != lost})
        with pytest.raises(MTLError, match=r"by the version of mtl-keras that started it. Received: a checkpoint of \d+"):
            bench.train(output_dir=tmp_path)
    for content in (b"", b"PK\x03\x04 torn", b"text"):
        path.write_bytes(content)
        with pytest.raises(MTLError, match=r"A checkpoint must be a file that `train` wrote. Received: .*checkpoint.npz"):
            bench.train(output_dir=tmp_path)


def test_other_frozen_layers_are_noticed(tmp_path: Path) -> None:
    """Also those of the same shapes: the slots of the one would become those of the other."""
    tasks = Tasks(Binary("odd"), Binary("dark"))
    labels = {"odd": np.arange(12) % 2.0, "dark": np.arange(12) // 6.0}
    data = from_arrays(tasks, (_tiny.rows(12, 0)[0], labels), (_tiny.rows(12, 1)[0], labels))

    def run(phase: Phase, *frozen: str, **options: Any) -> Run:
        model = _tiny.model(tasks, heads={})
        for name in frozen:
            model.get_layer(name).trainable = False
        return train(model, data, phase, output_dir=tmp_path / str(phase.freeze), cache_dir=False, **options)

    keeps, names = Phase(epochs=2), Phase(epochs=2, freeze=("backbone",))
    for phase in (keeps, names):
        with pytest.raises(KeyboardInterrupt):
            run(phase, "odd", callbacks=[Kill(1)])
    path = tmp_path / "None" / "checkpoint.npz"
    for frozen, named in ((("dark",), "dark is False"), ((), "odd is True"), (("odd", "dark"), "dark is False")):
        with pytest.raises(MTLError, match=rf"checkpoint\.npz, which differs: trainable\.{named} and was (True|False)\. Pass"):
            run(keeps, *frozen)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays["about"]))
    del about["identity"]["trainable"]
    np.savez(path, **{**arrays, "about": np.array(json.dumps(about))})
    with pytest.raises(MTLError, match=r"with the frozen layers that it was started with. Received: .*of an earlier version"):
        run(keeps, "odd")
    # What a phase names is all that is frozen, whatever the model has.
    assert len(run(names, "dark").history) == 2


def inverted(data: Data, split: str, task: str) -> Data:
    """Return the data with the labels of one task in one split inverted."""
    part = getattr(data, split)
    changes: dict[str, Any] = {split: replace(part, y={**part.y, task: 1 - part.y[task]})}
    return replace(data, **changes)


@pytest.mark.parametrize("epoch", [1, 10**6])
def test_other_labels_are_noticed(bench: Bench, epoch: int, tmp_path: Path) -> None:
    """In a training that was interrupted, and in one that is finished."""
    phase = replace(PHASES[0], epochs=2)
    if epoch == 1:
        bench.interrupt(tmp_path, epoch, phase)
    else:
        bench.train(phase, output_dir=tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    for split, named in (("train", "training"), ("validation", "validation")):
        with pytest.raises(MTLError, match=rf"other labels of task 'odd' in the {named} split than .*checkpoint\.npz"):
            bench.train(phase, output_dir=tmp_path, data=inverted(bench.data, split, "odd"))
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    # The same labels in other arrays, and another test split, on which no training depends.
    same = _tiny.data()
    assert len(bench.train(phase, output_dir=tmp_path, data=replace(same, test=same.validation)).history) == 2


def test_a_folder_that_cannot_be_written_is_noticed_before_the_first_epoch(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, reason in (("file", "File exists"), ("x" * 300, "File name too long")):
        with pytest.raises(MTLError, match=rf"The output folder must be writable\. Received: .*\({reason}\)"):
            bench.train(output_dir=tmp_path / name, callbacks=[Kill(0)])


def test_a_checkpoint_without_digests_is_not_resumed(bench: Bench, tmp_path: Path) -> None:
    bench.interrupt(tmp_path, 1)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays.pop("about")))
    del about["digests"], about["versions"]
    np.savez(path, about=np.array(json.dumps(about)), **arrays)
    with pytest.raises(MTLError, match=r"checkpoint\.npz, which a version of mtl-keras wrote that kept no digest of data"):
        bench.train(output_dir=tmp_path)


def test_other_versions_are_warned_of_and_recorded(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(versions, "_version", lambda package: "1.2.3")
        bench.interrupt(tmp_path, 1, DWA)
    bench.train(DWA, output_dir=tmp_path)
    assert f"keras 1.2.3 -> {keras.__version__}" in caplog.text
    with np.load(tmp_path / "checkpoint.npz") as file:
        recorded = json.loads(str(file["about"]))["versions"]
    assert [each["keras"] for each in recorded] == ["1.2.3", keras.__version__]


def test_a_training_that_diverged_is_refused_again(tmp_path: Path) -> None:
    """Its last epoch is in the checkpoint: repeating the call must not deliver it."""
    loud = dict.fromkeys(_tiny.TASKS, 1e9)
    hot = Phase(epochs=2, batch_size=16, weighting=loud, optimizer=keras.optimizers.SGD(1000.0), monitor="val_loss")
    model, data = fresh(), _tiny.data()
    for _ in range(2):
        with pytest.raises(TrialError, match=r"must stay finite. Received: loss="):
            train(model, data, hot, seed=4, output_dir=tmp_path, cache_dir=False)
        assert (tmp_path / "checkpoint.npz").exists()


def test_short_epochs_are_not_written_where_writing_takes_long(
    bench: Bench, undisturbed: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any writing counts as long, and no time between two of them as long enough.
    monkeypatch.setattr(_checkpoint, "QUICK", -1.0)
    monkeypatch.setattr(_checkpoint, "SHARE", 1e-9)
    bench.interrupt(tmp_path, 2)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as file:
        written = json.loads(str(file["about"]))["epoch"]
    # The second epoch is lost and trained again, to the same end; the last epoch of a phase is always written.
    assert written == 1
    assert_equal(bench.train(output_dir=tmp_path), undisturbed)
    assert_equal(bench.train(output_dir=tmp_path), undisturbed)
