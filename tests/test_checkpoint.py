"""A training that was killed after any epoch goes on as if it had not been."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from mtl_keras import distribute
from mtl_keras.callbacks import TensorBoardLog, _checkpoint
from mtl_keras.data import Data
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.model import Head, MultiTaskModel
from mtl_keras.training import Phase, Run, train
from tests import _tiny
from tests.test_tensorboard import scalars

#: Everything that a checkpoint could forget: momentum, a schedule, a patience that runs, dropout, a second phase.
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


@pytest.fixture(scope="module")
def data() -> Data:
    return _tiny.data()


def fresh() -> MultiTaskModel:
    keras.utils.set_random_seed(3)
    return _tiny.model(shared=Head(dense=(6,), dropout=0.5))


class Kill(keras.callbacks.Callback):
    """Stands for a kill at the beginning of an epoch, the numbers going on through phases."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.left = epoch

    def on_resume(self, rows: list[dict[str, Any]]) -> None:
        self.left -= len(rows)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


def killed(folder: Path, data: Data, epoch: int, model: MultiTaskModel | None = None) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(model or fresh(), data, *PHASES, seed=4, output_dir=folder, callbacks=[Kill(epoch)], cache_dir=False)


@pytest.fixture(scope="module")
def undisturbed(data: Data) -> Run:
    return train(fresh(), data, *PHASES, seed=4, cache_dir=False)


def assert_equal(run: Run, other: Run) -> None:
    assert run.history == other.history
    assert run.best == other.best
    for ours, theirs in ((run.model, other.model), (run.last_model, other.last_model)):
        for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    assert run.model.weighting_state.keys() == other.model.weighting_state.keys()


def test_writing_checkpoints_changes_nothing(undisturbed: Run, data: Data, tmp_path: Path) -> None:
    assert_equal(train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False), undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("epochs", [(1,), (2,), (3,), (4,), (1, 2, 4), (0, 3)])
def test_a_killed_training_ends_as_an_undisturbed_one(
    undisturbed: Run, data: Data, epochs: tuple[int, ...], tmp_path: Path
) -> None:
    assert len(undisturbed.history) > 4
    for epoch in epochs:
        killed(tmp_path, data, epoch)
    assert_equal(train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False), undisturbed)


def test_the_initial_weights_do_not_matter_where_it_goes_on(undisturbed: Run, data: Data, tmp_path: Path) -> None:
    killed(tmp_path, data, 2)
    other = fresh()
    other.set_weights([weight + 1 for weight in other.get_weights()])
    assert_equal(train(other, data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False), undisturbed)


def test_a_finished_training_is_returned_as_it_ended(undisturbed: Run, data: Data, tmp_path: Path) -> None:
    train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    again = train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, callbacks=[Kill(10**6)], cache_dir=False)
    assert_equal(again, undisturbed)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before


def test_cached_features_go_on_too(data: Data, tmp_path: Path) -> None:
    """The trunk is trained, then frozen: its features are those of the trunk in the checkpoint, not of a fresh one."""
    phases = (replace(PHASES[0], epochs=1), replace(PHASES[1], patience=None, epochs=2))
    whole = train(fresh(), data, *phases, seed=4, cache_dir=tmp_path / "cache")
    for epoch in (1, 2):
        folder = tmp_path / str(epoch)
        with pytest.raises(KeyboardInterrupt):
            train(fresh(), data, *phases, seed=4, output_dir=folder, callbacks=[Kill(epoch)], cache_dir=tmp_path / "cache")
        assert_equal(train(fresh(), data, *phases, seed=4, output_dir=folder, cache_dir=tmp_path / "cache"), whole)


def test_two_replicas_go_on_too(data: Data, tmp_path: Path) -> None:
    def mirrored() -> MultiTaskModel:
        with distribute.strategy("mirrored", ["CPU:0", "CPU:1"]).scope():
            keras.utils.set_random_seed(3)
            return _tiny.model()

    whole = train(mirrored(), data, *PHASES, seed=4, cache_dir=False)
    killed(tmp_path, data, 2, mirrored())
    again = train(mirrored(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False)
    assert len(again.history) == len(whole.history)
    for one, two in zip(again.history, whole.history, strict=True):
        assert one == pytest.approx(two, rel=1e-5)


def test_tensorboard_shows_the_epochs_of_both(undisturbed: Run, data: Data, tmp_path: Path) -> None:
    logs, folder = tmp_path / "logs", tmp_path / "run"
    for epoch in (2, None):
        callbacks = [TensorBoardLog(logs, _tiny.TASKS), *([] if epoch is None else [Kill(epoch)])]
        try:
            train(fresh(), data, *PHASES, seed=4, output_dir=folder, callbacks=callbacks, cache_dir=False)
        except KeyboardInterrupt:
            assert epoch is not None
    shown = scalars(logs)["all/skill"]
    assert [step for step, _ in shown] == list(range(1, len(undisturbed.history) + 1))
    assert [value for _, value in shown] == pytest.approx([row["val_skill"] for row in undisturbed.history])


@pytest.mark.parametrize(
    ("other", "named"), [({"seed": 5}, "seed"), ({"phases": PHASES[:1]}, "phases"), ({"rows": 30}, "data")]
)
def test_another_training_is_refused(other: dict[str, Any], named: str, data: Data, tmp_path: Path) -> None:
    killed(tmp_path, data, 1)
    given = _tiny.data(other["rows"]) if "rows" in other else data
    with pytest.raises(MTLError, match=rf"must be resumed with what it was started with. Received: another {named} than that of .*checkpoint.npz"):
        train(fresh(), given, *other.get("phases", PHASES), seed=other.get("seed", 4), output_dir=tmp_path, cache_dir=False)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"text"])
def test_something_else_is_refused(content: bytes, data: Data, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(content)
    with pytest.raises(MTLError, match=r"A checkpoint must be a file that `train` wrote. Received: .*checkpoint.npz"):
        train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False)


@pytest.mark.parametrize("lost", ["slots.0", "variables.0"])
def test_that_of_another_version_is_refused(lost: str, data: Data, tmp_path: Path) -> None:
    killed(tmp_path, data, 1)
    path = tmp_path / "checkpoint.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != lost}
    np.savez(path, **arrays)
    with pytest.raises(MTLError, match=r"resumed by the version of mtl-keras that started it. Received: a checkpoint of \d+"):
        train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False)


def test_a_training_that_diverged_is_refused_again(data: Data, tmp_path: Path) -> None:
    """Its last epoch is in the checkpoint: repeating the call must not deliver it."""
    hot = Phase(epochs=2, batch_size=16, optimizer=keras.optimizers.SGD(1e30), monitor="val_loss")
    for _ in range(2):
        with pytest.raises(TrialError, match=r"stay finite. Received: loss="):
            train(fresh(), data, hot, seed=4, output_dir=tmp_path, cache_dir=False)
        assert (tmp_path / "checkpoint.npz").exists()


def test_epochs_short_beside_the_writing_are_passed_over(
    data: Data, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any writing counts as long, and no time between two of them as long enough.
    monkeypatch.setattr(_checkpoint, "QUICK", -1.0)
    monkeypatch.setattr(_checkpoint, "SHARE", 1e-9)
    killed(tmp_path, data, 2)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as file:
        written = json.loads(str(file["about"]))["epoch"]
    # The second epoch is lost and trained again, to the same end; a phase's last epoch is never passed over.
    assert written == 1
    assert_equal(train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False), undisturbed)
    assert train(fresh(), data, *PHASES, seed=4, output_dir=tmp_path, cache_dir=False).history == undisturbed.history
