"""`Data.augment`: views of a row, views as rows, and augmentation in every epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.data import Data, Split, cache, stratified_folds, trivial_scores
from mtl_keras.errors import MTLError
from mtl_keras.training import Run
from tests import _tiny

VIEWS: tuple[Any, ...] = ("identity", "flip_lr", "crop", ("flip_lr", {"method": "crop", "pad": 2}))
N = 36
#: Pins TensorFlow's stateless numbers: other ones would make recorded results irreproducible.
PINNED = [[1, 2, 1, 0, 3, 0, 0, 3], [3, 1, 3, 0, 2, 2, 2, 1]]


@pytest.fixture(scope="module")
def plain() -> Data:
    return _tiny.data(N)


@pytest.fixture(scope="module")
def viewed(plain: Data) -> Data:
    return plain.augment(VIEWS, mode="views")


def numbered(n: int, views: int) -> Split:
    """Rows whose inputs are the number of the row and of the view."""
    x = np.stack(np.broadcast_arrays(np.arange(n)[:, None], np.arange(views)[None]), -1).astype(np.float32)
    rows = {"row": np.arange(n, dtype=np.float32)}
    data = mtl.data.from_arrays(mtl.Tasks(mtl.Regression("row")), *[(np.zeros((n, 1, 1, 1), np.uint8), rows)] * 2)
    return data.augment(["identity"] * views, mode="views").train.with_x(x)


def views_shown(split: Split, **options: Any) -> np.ndarray:
    """Return which view each row is shown in, `[epochs, n]`."""
    epochs = options.get("epochs", 1) - options.get("first_epoch", 0)
    seen = np.concatenate([x for x, _, _ in split.batches(options.pop("batch_size", 7), **options)]).reshape(epochs, -1, 2)
    result = np.empty(seen.shape[:2], int)
    for epoch, rows in enumerate(seen.astype(int)):
        assert sorted(rows[:, 0]) == list(range(len(split)))
        result[epoch, rows[:, 0]] = rows[:, 1]
    return result


def test_views_are_those_of_the_images_for_the_training_rows_alone(plain: Data, viewed: Data) -> None:
    x, source = viewed.train.x, plain.train.x
    assert (x.shape, str(x.dtype), viewed.train.views, len(viewed.train)) == ((N, 4, *_tiny.SHAPE), "uint8", 4, N)
    np.testing.assert_array_equal(x[:, 0], source)
    np.testing.assert_array_equal(x[:, 1], source[:, :, ::-1])
    padded = np.pad(source, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    windows = np.stack([padded[:, i : i + 8, j : j + 8] for i in range(9) for j in range(9)], axis=1)
    assert (windows == x[:, 2, None]).all((2, 3, 4)).any(1).all(), "a crop of the padded image"
    assert viewed.train.y["image"] is x
    assert viewed.validation is plain.validation
    assert viewed.image_shape == _tiny.SHAPE
    np.testing.assert_array_equal(plain.augment(VIEWS, mode="views").train.x, x)
    assert (plain.augment(VIEWS, mode="views", seed=1).train.x[:, 2] != x[:, 2]).any()


def test_each_epoch_shows_each_row_in_one_view_chosen_uniformly() -> None:
    views = views_shown(numbered(200, 4), seed=3, epochs=20)
    shares = np.bincount(views.ravel(), minlength=4) / views.size
    np.testing.assert_allclose(shares, 0.25, atol=0.03)
    assert (np.bincount(views.ravel() + 4 * np.tile(np.arange(200), 20), minlength=800) > 0).mean() > 0.97
    repeats = np.mean(views[1:] == views[:-1])
    assert repeats == pytest.approx(0.25, abs=0.03), "an epoch's view says nothing about the next one's"


def test_a_view_is_a_function_of_seed_epoch_and_row_alone() -> None:
    split = numbered(60, 4)
    whole = views_shown(split, seed=5, epochs=4)
    np.testing.assert_array_equal(views_shown(split, seed=5, epochs=4, first_epoch=2), whole[2:], "a resumed run sees the same")
    np.testing.assert_array_equal(views_shown(split, seed=5, epochs=4, batch_size=60), whole)
    assert (views_shown(split, seed=6, epochs=4) != whole).any()
    assert (views_shown(split) == 0).all(), "without a seed the first view"


def test_views_do_not_change_the_order_of_rows() -> None:
    split = numbered(20, 3)
    plain = split.first_view()
    for (_, y, _), (_, expected, _) in zip(split.batches(8, seed=1), plain.batches(8, seed=1), strict=True):
        np.testing.assert_array_equal(y["row"], expected["row"])


def test_the_choice_of_views_does_not_depend_on_the_version_of_tensorflow() -> None:
    assert views_shown(numbered(8, 4), seed=0, epochs=2).tolist() == PINNED


def test_a_reconstruction_target_is_the_view_that_is_shown(viewed: Data) -> None:
    others = 0
    for x, y, _ in viewed.train.batches(8, seed=0):
        assert x.shape[1:] == _tiny.SHAPE
        np.testing.assert_allclose(y["image"], x.numpy() / 255, rtol=1e-6)
    features = viewed.train.with_x(np.arange(N * 4, dtype=np.float32).reshape(N, 4, 1))
    for x, y, _ in features.batches(8, seed=0):
        row, view = np.divmod(x.numpy().astype(int).ravel(), 4)
        np.testing.assert_allclose(y["image"], viewed.train.x[row, view] / 255, rtol=1e-6)
        others += int((view > 0).sum())
    assert others > N / 2


def test_rows_added_to_a_short_batch_keep_their_labels(viewed: Data) -> None:
    *_, (x, y, weight) = viewed.train.batches(5, seed=0, at_least=4)
    assert (len(x), weight["image"].numpy().tolist()) == (4, [1, 0, 0, 0])
    np.testing.assert_allclose(y["image"], x.numpy() / 255, rtol=1e-6)


def test_mapped_views_are_read_as_they_would_be_from_memory(viewed: Data, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", viewed.train.x)
    mapped = viewed.train.with_x(np.load(tmp_path / "x.npy", mmap_mode="r"))
    for (x, _, _), (expected, _, _) in zip(mapped.batches(8, seed=1), viewed.train.batches(8, seed=1), strict=True):
        np.testing.assert_array_equal(x, expected)
        assert x.shape == expected.shape


def test_choosing_rows_and_tasks_keeps_views(viewed: Data) -> None:
    part = viewed.train.take(np.array([3, 1]))
    np.testing.assert_array_equal(part.x, viewed.train.x[[3, 1]])
    assert (part.views, part.y["image"] is part.x) == (4, True)
    assert viewed.only("kind").train.views == 4
    assert viewed.subset(12).train.x.shape == (12, 4, *_tiny.SHAPE)
    assert viewed.subset(12).validation.views is None


def test_the_first_view_represents_the_row(plain: Data, viewed: Data) -> None:
    first = viewed.train.first_view()
    np.testing.assert_array_equal(first.x, plain.train.x)
    assert (first.y["image"] is first.x, first.views) == (True, None)
    assert plain.train.first_view() is plain.train
    for split in ("train", "validation"):
        expected = trivial_scores(plain.train, getattr(plain, split))
        assert trivial_scores(viewed.train, getattr(viewed, split)) == expected
    model = _tiny.model()
    found, expected_scores = (mtl.evaluate(model, data, "train", cache_dir=False).scores for data in (viewed, plain))
    assert found == expected_scores


@pytest.mark.parametrize("in_memory", [True, False])
def test_features_are_those_of_every_view(
    viewed: Data, in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MEMORY_SHARE", 0.25 if in_memory else 0.0)
    model, told = _tiny.model(), []
    made = viewed.featurize(model.trunk, model.fingerprint(), tmp_path, progress=lambda done, total: told.append((done, total)))
    x = made.train.x
    assert isinstance(x, np.memmap) != in_memory
    assert (made.train.views, x.shape[:2], made.validation.x.shape[1:]) == (4, (N, 4), x.shape[2:])
    for view in range(4):
        np.testing.assert_allclose(x[:, view], model.trunk(viewed.train.x[:, view]), rtol=1e-5, atol=1e-6)
    assert told[-1] == (4 * N + 20, 4 * N + 20)
    assert len(cache.entries(tmp_path)) == 2
    again = viewed.featurize(model.trunk, model.fingerprint(), tmp_path)
    np.testing.assert_array_equal(again.train.x, x)
    assert len(cache.entries(tmp_path)) == 2
    for batch, target, _ in made.train.batches(16, seed=0):
        assert (batch.shape[1:], target["image"].shape[1:]) == (x.shape[2:], _tiny.SHAPE)
    assert len(mtl.evaluate(model, made, "train", cache_dir=False).scores) == 4 + len(_tiny.TASKS["kind"].all_metrics)


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends a training as a kill would, after the checkpoint of an epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise Killed


def test_a_resumed_training_equals_an_undisturbed_one(plain: Data, viewed: Data, tmp_path: Path) -> None:
    data = viewed.augment(("flip_lr", {"method": "crop", "pad": 2}), mode="online")
    phase = mtl.Phase(epochs=3, batch_size=12)

    def train(data: Data, folder: str, **options: Any) -> Run:
        keras.utils.set_random_seed(1)
        return mtl.train(_tiny.model(), data, phase, seed=3, output_dir=tmp_path / folder, cache_dir=False, **options)

    undisturbed = train(data, "whole")
    with pytest.raises(Killed):
        train(data, "killed", callbacks=[Kill()])
    resumed = train(data, "killed")
    assert resumed.history == undisturbed.history
    with resumed.at_last_epoch() as ours, undisturbed.at_last_epoch() as other:
        for one, two in zip(ours.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    with pytest.raises(MTLError, match="which differs: data|other data"):
        train(plain, "whole")


def test_repeat_makes_every_view_a_row_with_its_labels(plain: Data) -> None:
    made = plain.augment(("stretch", ("rotate", "stretch"), ("flip_lr", "stretch")), mode="repeat")
    train = made.train
    assert (len(train), train.views, train.y["image"] is train.x) == (3 * N, None, True)
    assert (train.x[0::3].min((1, 2, 3)) == 0).all()
    assert (train.x[0::3].max((1, 2, 3)) == 255).all()
    np.testing.assert_array_equal(train.x[2::3], train.x[0::3, :, ::-1])
    for view in range(3):
        np.testing.assert_array_equal(train.y["kind"][view::3], plain.train.y["kind"])
        np.testing.assert_array_equal(train.weight["odd"][view::3], plain.train.weight["odd"])
    assert made.validation is plain.validation


def shifted(data: Data, **options: Any) -> np.ndarray:
    """Return the images of each epoch in the order of the rows."""
    epochs = options.get("epochs", 1)
    batches = list(data.train.batches(7, **options))
    x = np.concatenate([x for x, _, _ in batches])
    order = np.concatenate([y["kind"] for _, y, _ in batches])
    return np.stack([part[np.argsort(rows)] for part, rows in zip(np.split(x, epochs), np.split(order, epochs), strict=True)])


def distinct_images(n: int = 40) -> Data:
    """Images of which a shift or a flip can be told, and a label that is the row's number."""
    x = np.random.default_rng(0).integers(0, 255, (n, 8, 10, 3)).astype(np.uint8)
    tasks = mtl.Tasks(mtl.Classification("kind", classes=n), mtl.Reconstruction("image"))
    return mtl.data.from_arrays(tasks, (x, {"kind": np.arange(n)}), (x, {"kind": np.arange(n)}))


def test_views_of_one_image_stay_in_one_fold(plain: Data) -> None:
    repeated = plain.augment(("identity", "flip_lr", "noise"), mode="repeat").train
    parts = stratified_folds(repeated, 4, seed=0)
    assert sorted(np.concatenate(parts)) == list(range(len(repeated)))
    images = [set(part // 3) for part in parts]
    assert all(not one & other for i, one in enumerate(images) for other in images[i + 1 :])
    # A part of them, and one of them in turn, remember what they are of.
    part = repeated.take(parts[1])
    assert part.group is not None
    assert set(part.group) == images[1]


def test_online_flips_half_of_the_images_anew_in_each_epoch() -> None:
    data = distinct_images()
    seen = shifted(data.augment("flip_lr", mode="online"), seed=0, epochs=6)
    straight, mirrored = ((seen == x).all((2, 3, 4)) for x in (data.train.x, data.train.x[:, :, ::-1]))
    assert (straight ^ mirrored).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.1)
    assert len(np.unique(mirrored, axis=0)) == 6
    np.testing.assert_array_equal(
        shifted(data.augment("flip_lr", mode="online"))[0], data.train.x, "without a seed nothing changes"
    )


@pytest.mark.parametrize("pad", [2, 0.25])
def test_online_crops_are_shifts_of_the_reflected_image(pad: float) -> None:
    data = distinct_images()
    seen = shifted(data.augment({"method": "crop", "pad": pad}, mode="online"), seed=0, epochs=6)
    padded = np.pad(data.train.x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = [padded[:, i : i + 8, j : j + 10] for i in range(5) for j in range(5)]
    matches = np.array([(seen == window).all((2, 3, 4)) for window in windows])
    assert (matches.sum(0) == 1).all()
    assert matches.any((1, 2)).all(), "every shift occurs"


def test_online_is_a_function_of_seed_epoch_and_row_and_changes_the_target_too() -> None:
    data = distinct_images().augment(("flip_lr", "crop"), mode="online")
    whole = shifted(data, seed=4, epochs=4)
    late = list(data.train.batches(40, seed=4, epochs=4, first_epoch=3))
    assert len(late) == 1
    x, y, _ = late[0]
    np.testing.assert_array_equal(x.numpy()[np.argsort(y["kind"])], whole[3])
    np.testing.assert_allclose(y["image"], x.numpy() / 255, rtol=1e-6)
    assert (shifted(data, seed=5) != whole[:1]).any()
    fixed = distinct_images().augment(("flip_lr", "crop"), mode="online", seed=4)
    np.testing.assert_array_equal(shifted(fixed, seed=5, epochs=4), whole, "a seed of its own replaces the training's")


@pytest.mark.parametrize("own", [None, 9])
def test_online_changes_the_views_that_the_seed_of_the_training_draws(own: int | None, viewed: Data) -> None:
    data = viewed.augment("flip_lr", mode="online", seed=own)
    for (x, y, _), (before, _, _) in zip(data.train.batches(8, seed=2), viewed.train.batches(8, seed=2), strict=True):
        same, mirrored = ((x == other).numpy().all((1, 2, 3)) for other in (before, before[:, :, ::-1]))
        assert (same | mirrored).all()
        np.testing.assert_allclose(y["image"], x.numpy() / 255, rtol=1e-6)


def test_invalid_augmentation_is_refused(plain: Data, viewed: Data, tmp_path: Path) -> None:
    floats = replace(plain, train=plain.train.with_x(plain.train.x.astype(np.float32)))
    model = _tiny.model()
    features = plain.featurize(model.trunk, model.fingerprint(), tmp_path)
    for mode in ("views", "repeat"):
        for data, message in ((floats, "inputs .* float32"), (viewed, "views")):
            with pytest.raises(MTLError, match=f"from uint8 images .*{message}"):
                data.augment(VIEWS, mode=mode)
    rows = plain.train.with_x(np.zeros((N, 4), np.float32))
    for data, steps, options, message in (
        (features, "flip_lr", {"mode": "online"}, r"before their features are computed. Received: features \[36, "),
        (replace(plain, train=rows), "flip_lr", {"mode": "online"}, r"applied to images .* Received: inputs \[36, 4\]"),
        (
            plain,
            "rotate",
            {"mode": "online"},
            "Unknown augmentation step: received 'rotate'. Expected one of 'crop', 'flip_lr'",
        ),
        (plain, {"method": "crop", "pad": 8}, {"mode": "online"}, "Received: pad=8 for a side of 8 px"),
        (plain, "flip_lr", {"mode": "online", "seed": -1}, r"must be an integer in \[0, 2147483647\]. Received: seed=-1"),
        (plain, VIEWS, {"mode": "views", "seed": -2}, r"must be an integer in \[0, 2147483647\]. Received: seed=-2"),
        (plain, VIEWS, {"mode": "view"}, "Unknown mode of augmentation: received 'view'. Did you mean 'views'"),
    ):
        with pytest.raises(MTLError, match=message):
            data.augment(steps, **options)
    with pytest.raises(MTLError, match="online augmentation. Use data.augment"):
        plain.augment("flip_lr", mode="online").featurize(model.trunk, model.fingerprint(), tmp_path)
    with pytest.raises(MTLError, match=r"must hold all views \[n, 4, ...\]. Received: \[36, 8, 8, 1\]"):
        replace(viewed.train, x=plain.train.x)
