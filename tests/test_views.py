"""Augmentation steps of uint8 images, and views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from mtl_keras.data import _views
from mtl_keras.errors import MTLError, choice_config


def images(n: int = 6, h: int = 12, w: int = 10, c: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 200, (n, h, w, c)).astype(np.uint8)


def apply(view: Any, x: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.concatenate([*_views.apply_view(x, _views.parse_steps_of_view(view), [seed])])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", _views.STEPS)
def test_every_step_keeps_shape_and_type_and_is_a_function_of_the_seed(name: str, channels: int) -> None:
    x = images(c=channels)
    before = x.copy()
    first, again, other = apply(name, x), apply(name, x), apply(name, x, seed=1)
    assert first.shape == x.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(x, before)
    assert (first != other).any() == (name in ("noise", "crop", "zoom"))
    assert (first != x).any() == (name != "identity")


def test_blocks_of_rows_have_different_random_values(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.repeat(images(1), 8, axis=0)
    monkeypatch.setattr(_views, "BLOCK_BYTES", 2 * x[0].nbytes)
    assert len(np.unique(apply("crop", x), axis=0)) > 4
    np.testing.assert_array_equal(apply("rotate", x), np.repeat(apply("rotate", x[:1]), 8, axis=0))


@pytest.mark.parametrize("name", ["flip_lr", "flip_up"])
def test_a_flip_is_its_own_inverse(name: str) -> None:
    x = images()
    np.testing.assert_array_equal(apply((name, name), x), x)
    np.testing.assert_array_equal(apply(name, x)[:, 0, 0], x[:, 0, -1] if name == "flip_lr" else x[:, -1, 0])


@pytest.mark.parametrize("degrees", [30, -75.5, 90])
def test_rotation_equals_scipy(degrees: float) -> None:
    x = images(2, 11, 11)
    expected = ndimage.rotate(x.astype(np.float32), degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(apply({"method": "rotate", "degrees": degrees}, x), expected, atol=0.51)


def test_a_quarter_turn_is_counter_clockwise() -> None:
    x = images(3, 8, 8)
    np.testing.assert_array_equal(apply({"method": "rotate", "degrees": 90}, x), np.rot90(x, axes=(1, 2)))


def test_stretch_reaches_both_ends_and_keeps_constant_images() -> None:
    x = images()
    x[2] = 77
    stretched = apply("stretch", x)
    assert (stretched[2] == 77).all()
    others = np.delete(stretched, 2, axis=0)
    assert (others.min((1, 2, 3)) == 0).all()
    assert (others.max((1, 2, 3)) == 255).all()
    np.testing.assert_array_equal(
        np.argsort(stretched[0], axis=None, kind="stable"), np.argsort(x[0], axis=None, kind="stable")
    )


def test_noise_has_its_variance() -> None:
    x = np.full((4, 64, 64, 3), 128, np.uint8)
    spread = apply({"method": "noise", "variance": 0.01}, x).astype(float)
    assert spread.mean() == pytest.approx(128, abs=0.5)
    assert (spread / 255).var() == pytest.approx(0.01, rel=0.03)
    strong = apply("noise", x)
    assert (strong == 0).mean() + (strong == 255).mean() > 0.2, "values that leave the range are clipped, not wrapped"


@pytest.mark.parametrize("pad", [2, 0.2])
def test_a_crop_is_a_shift_of_the_reflected_image(pad: float) -> None:
    x = images(40, 10, 10)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    windows = [padded[:, i : i + 10, j : j + 10] for i in range(5) for j in range(5)]
    cropped = apply({"method": "crop", "pad": pad}, x)
    matches = np.array([(window == cropped).all((1, 2, 3)) for window in windows])
    assert (matches.sum(0) == 1).all()
    assert matches.any(1).sum() > 12, "shifts differ from image to image"


def test_zoom_shows_a_part_of_the_image() -> None:
    ramp = np.broadcast_to(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None, None], (30, 100, 100, 1))
    zoomed = apply({"method": "zoom", "low": 0.5}, ramp).astype(int)
    shares = (zoomed[:, -1, 0, 0] - zoomed[:, 0, 0, 0]) / 198
    assert 0.45 < shares.min() < 0.65
    assert 0.85 < shares.max() <= 1
    assert (np.diff(zoomed[:, :, 0, 0], axis=1) >= 0).all()


def test_zoom_is_bilinear() -> None:
    x = images(4, 14, 11)
    rng = np.random.default_rng([3])
    share = rng.uniform(0.6, 1, (4, 1))
    y, at = (rng.uniform(0, 1 - share) * side + (np.arange(side) + 0.5) * share - 0.5 for side in (14, 11))
    zoomed = apply({"method": "zoom", "low": 0.6}, x, seed=3)
    for image, result, rows, columns in zip(x, zoomed, y, at, strict=True):
        grid = np.meshgrid(rows.clip(0, 13), columns.clip(0, 10), indexing="ij")
        expected = [ndimage.map_coordinates(image[..., c].astype(float), grid, order=1) for c in range(3)]
        np.testing.assert_allclose(result, np.stack(expected, -1), atol=0.51)


def test_steps_are_applied_in_order() -> None:
    x = images()
    given = ["flip_lr", {"method": "rotate", "degrees": 10}, "stretch"]
    view = _views.parse_steps_of_view(given)
    assert [choice_config(step, _views.STEPS) for step in view] == [{"method": "flip_lr"}, given[1], {"method": "stretch"}]
    step_by_step = apply("stretch", apply({"method": "rotate", "degrees": 10}, apply("flip_lr", x)))
    np.testing.assert_array_equal(np.concatenate([*_views.apply_view(x, view, [0])]), step_by_step)
    (noise,) = _views.parse_steps_of_view("noise")
    assert choice_config(noise, _views.STEPS) == {"method": "noise", "variance": 0.2}


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ("flip", "Unknown augmentation step: received 'flip'. Did you mean 'flip_"),
        ((), r"a step or a sequence of steps. Received: \(\)"),
        (3, "a step or a sequence of steps. Received: 3"),
        (({"degrees": 3},), "mapping with the entry 'method'. Received: {'degrees': 3}"),
        ({"method": "rotate", "degree": 3}, "option of augmentation step 'rotate': received 'degree'. Did you mean 'degrees'"),
        ({"method": "flip_lr", "pad": 3}, "'flip_lr' has no options"),
        ({"method": "noise", "variance": -0.1}, r"`variance` of 'noise' must be a number in \[0, 1\]. Received: variance=-0.1"),
        ({"method": "noise", "variance": float("nan")}, "Received: variance=nan"),
        ({"method": "zoom", "low": True}, "Received: low=True"),
        ({"method": "crop", "pad": "4"}, "Received: pad='4'"),
        ({"method": "crop", "pad": 0}, r"`pad` of 'crop' must be a number in \(0, 1024\]"),
        ({"method": "crop", "pad": 2.5}, "whole number of px or a fraction of the side"),
    ],
)
def test_parse_refuses(view: Any, message: str) -> None:
    with pytest.raises(MTLError, match=message):
        _views.parse_steps_of_view(view)


@pytest.mark.parametrize("views", ["flip_lr", {"method": "crop"}, (), 3])
def test_views_must_be_a_sequence(views: Any) -> None:
    with pytest.raises(MTLError, match="`steps` must be a sequence of views"):
        _views.parse_views(views)


def test_a_padding_must_be_smaller_than_the_image() -> None:
    with pytest.raises(MTLError, match="Received: pad=4 for a side of 4 px"):
        apply("crop", images(2, 8, 4))
