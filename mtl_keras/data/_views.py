"""Changes of images, and views: changes in a row.

A view is a word of `STEPS`, a mapping such as `{"method": "rotate", "degrees": 10}`, or a sequence of those, applied in
order. To add a change, write a function of images and a random generator, and add it to `STEPS` and `OPTIONS` below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mtl_keras.errors import MTLError, unknown

__all__ = ["OPTIONS", "STEPS", "View", "check_seed", "made", "parse", "parse_all", "pixels"]

View = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

#: Bytes of images that are changed at a time: what a change computes with takes tens of times as much.
BLOCK_BYTES = 2**22


def identity(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Leave images as they are."""
    return images


def flip_lr(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror left and right."""
    return images[:, :, ::-1]


def flip_up(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn upside down by mirroring."""
    return images[:, ::-1]


def rotate(images: np.ndarray, rng: np.random.Generator, degrees: float = 30.0) -> np.ndarray:
    """Turn counter-clockwise about the middle, bilinearly; what comes into sight is filled from the edge."""
    h, w = images.shape[1:3]
    y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _sampled(images, cos * y + sin * x + (h - 1) / 2, cos * x - sin * y + (w - 1) / 2)


def noise(images: np.ndarray, rng: np.random.Generator, variance: float = 0.2) -> np.ndarray:
    """Add Gaussian noise to every value; its variance is on the scale on which pixels lie in [0, 1]."""
    drawn = rng.standard_normal(images.shape, np.float32)
    return _uint8(images + drawn * np.float32(255 * variance**0.5))


def stretch(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretch each image's values to 0 to 255; an image of one value stays as it is."""
    low = images.min((1, 2, 3), keepdims=True).astype(np.float32)
    high = images.max((1, 2, 3), keepdims=True).astype(np.float32)
    flat = high == low
    return np.where(flat, images, _uint8((images - low) * (255 / np.where(flat, 1, high - low))))


def crop(images: np.ndarray, rng: np.random.Generator, pad: float = 4) -> np.ndarray:
    """Shift each image by up to `pad` px either way: a random crop of the image padded by reflection."""
    taken = [_reflected(rng, len(images), side, pixels(pad, side)) for side in images.shape[1:3]]
    return images[np.arange(len(images))[:, None, None], taken[0][:, :, None], taken[1][:, None, :]]


def zoom(images: np.ndarray, rng: np.random.Generator, low: float = 0.7) -> np.ndarray:
    """Take a random part of each image, of a share from `low` to 1 of both sides, and bring it to the size, bilinearly."""
    n, h, w = images.shape[:3]
    share = rng.uniform(low, 1, (n, 1))
    y, x = (rng.uniform(0, 1 - share) * side + (np.arange(side) + 0.5) * share - 0.5 for side in (h, w))
    return _resized(images, y, x)


#: Every change of uint8 images `[n, h, w, c]`, by its word.
STEPS: dict[str, Callable[..., np.ndarray]] = {
    "identity": identity,
    "flip_lr": flip_lr,
    "flip_up": flip_up,
    "rotate": rotate,
    "noise": noise,
    "stretch": stretch,
    "crop": crop,
    "zoom": zoom,
}

#: Options of the changes that have any: default, lower and upper bound.
OPTIONS: dict[str, dict[str, tuple[float, float, float]]] = {
    "rotate": {"degrees": (30.0, -360.0, 360.0)},
    "noise": {"variance": (0.2, 0.0, 1.0)},
    "crop": {"pad": (4, 0.0, 1024.0)},
    "zoom": {"low": (0.7, 0.05, 1.0)},
}


def parse(view: View, words: Sequence[str] = tuple(STEPS)) -> tuple[dict[str, Any], ...]:
    """Return a view as its steps, `{"method": word, option: value}` with every option, fit for JSON.

    Args:
        view: As a user writes it.
        words: The changes that are allowed.

    Raises:
        MTLError: If a word or an option is unknown, an option is out of range, or there is no step.

    Example:
        >>> parse(("flip_lr", {"method": "crop", "pad": 2}))
        ({'method': 'flip_lr'}, {'method': 'crop', 'pad': 2})
    """
    steps = (view,) if isinstance(view, str | Mapping) else view
    if not isinstance(steps, Sequence) or not steps:
        raise MTLError(f"A view is a change of images, or several in a row. Received: {view!r}. Give e.g. ('flip_lr', 'crop').")
    return tuple(_step(step, words) for step in steps)


def parse_all(views: Sequence[View]) -> tuple[tuple[dict[str, Any], ...], ...]:
    """Return several views, each as its steps.

    Raises:
        MTLError: If there is none, or one is wrong.
    """
    if isinstance(views, str | Mapping) or not isinstance(views, Sequence) or not views:
        raise MTLError(f"Views come as a sequence of at least one. Received: {views!r}. Give e.g. ('identity', 'flip_lr').")
    return tuple(parse(view) for view in views)


def check_seed(seed: int) -> None:
    """Refuse what is no seed.

    Raises:
        MTLError: If it is no integer from 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise MTLError(f"`seed` is an integer from 0. Received: seed={seed!r}. Give e.g. 0.")


def made(images: np.ndarray, view: Sequence[Mapping[str, Any]], seed: Sequence[int]) -> np.ndarray:
    """Return the images as one view shows them.

    Args:
        images: uint8 `[n, h, w, c]`.
        view: Steps, as `parse` returns them.
        seed: Of what is drawn at random.

    Raises:
        MTLError: If a shift does not fit into the images.
    """
    rng = np.random.default_rng(seed)
    result = np.empty(images.shape, np.uint8)
    rows = max(1, BLOCK_BYTES // max(images[:1].nbytes, 1))
    for start in range(0, len(images), rows):
        part = np.asarray(images[start : start + rows])
        for step in view:
            part = STEPS[step["method"]](part, rng, **{name: value for name, value in step.items() if name != "method"})
        result[start : start + rows] = part
    return result


def pixels(pad: float, side: int) -> int:
    """Return a padding in px that is given in px, or below 1 as a share of the side.

    Raises:
        MTLError: If an image of that side cannot be reflected so far.
    """
    count = int(pad) if pad >= 1 else max(1, round(pad * side))
    if count >= side:
        raise MTLError(f"`pad` is less than the images' sides. Received: pad={pad} for a side of {side} px. Give e.g. 0.125.")
    return count


def _step(step: Any, words: Sequence[str]) -> dict[str, Any]:
    """Return one step with all of its options."""
    given = {"method": step} if isinstance(step, str) else step
    if not isinstance(given, Mapping) or "method" not in given:
        raise MTLError(
            f"A change of images is a word or a mapping with `method`. Received: {step!r}. "
            "Give e.g. 'flip_lr' or {'method': 'rotate', 'degrees': 10}."
        )
    word = given["method"]
    if word not in words:
        raise unknown("change of images", word, words)
    options = OPTIONS.get(word, {})
    result: dict[str, Any] = {"method": word, **{name: default for name, (default, _, _) in options.items()}}
    for name, value in given.items():
        if name == "method":
            continue
        if name not in options:
            hint = f"{word!r} has {'the options ' + ', '.join(options) if options else 'no options'}."
            raise unknown(f"option of {word!r}", name, options, hint)
        _, low, high = options[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise MTLError(
                f"`{name}` of {word!r} lies in [{low:g}, {high:g}]. Received: {name}={value!r}. Give e.g. {options[name][0]}."
            )
        if name == "pad" and (value == 0 or (value > 1 and value != int(value))):
            raise MTLError(
                f"`pad` is a whole number of px, or a share of the side between 0 and 1. Received: pad={value}. Give e.g. 4."
            )
        result[name] = value
    return result


def _reflected(rng: np.random.Generator, n: int, side: int, pad: int) -> np.ndarray:
    """Return for n images the rows (or columns) `[n, side]` that a shift of each by up to `pad` px shows."""
    at = np.arange(side) + rng.integers(-pad, pad + 1, (n, 1))
    # Reflection without the edge itself: -1 is 1, side is side - 2.
    return (side - 1) - np.abs((side - 1) - np.abs(at))


def _sampled(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return bilinear values at the places `y`, `x` `[h, w]` of each image, in px from the first pixel's center."""
    h, w = images.shape[1:3]
    y, x = np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    down, across = (y - top).astype(np.float32)[..., None], (x - left).astype(np.float32)[..., None]
    flat = images.reshape(len(images), h * w, -1)
    upper = flat.take(top * w + left, 1) * (1 - across) + flat.take(top * w + right, 1) * across
    lower = flat.take(below * w + left, 1) * (1 - across) + flat.take(below * w + right, 1) * across
    return _uint8(upper * (1 - down) + lower * down)


def _resized(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return bilinear values where the rows `y` `[n, h]` and columns `x` `[n, w]` of each image meet."""
    h, w = images.shape[1:3]
    y, x = np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    down, across = (y - top).astype(np.float32)[..., None, None], (x - left).astype(np.float32)[..., None]
    result = np.empty((len(images), y.shape[1], x.shape[1], images.shape[3]), np.uint8)
    for i, image in enumerate(images):
        rows = image.take(left[i], 1) * (1 - across[i]) + image.take(right[i], 1) * across[i]
        result[i] = _uint8(rows.take(top[i], 0) * (1 - down[i]) + rows.take(below[i], 0) * down[i])
    return result


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
