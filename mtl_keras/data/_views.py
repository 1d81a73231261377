"""Augmentation ahead of training: changes of uint8 images, and views, which are changes in a row.

A view is a name among `STEPS`, a mapping such as `{"method": "rotate", "degrees": 10}`, or a sequence of those, applied in
order. To add a change, write a frozen dataclass whose fields are its options and whose `__call__` takes images and a random
generator, and add it to `STEPS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mtl_keras.data._interpolation import crop_and_resize, sample_bilinear, to_uint8
from mtl_keras.errors import MTLError, check_fraction, check_number, describe, parse_choice, store

__all__ = ["STEPS", "Step", "View", "apply_view", "check_pad", "count_pixels", "parse_steps_of_view", "parse_views"]

View = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

#: Bytes of images that are changed at a time: intermediate values take tens of times as much.
BLOCK_BYTES = 2**22


class Step(Protocol):
    """A change of uint8 images `[n, h, w, c]`, which keeps shape and type."""

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray: ...


@dataclass(frozen=True)
class Identity:
    """Leave images as they are."""

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images


@dataclass(frozen=True)
class FlipLeftRight:
    """Mirror left and right."""

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images[:, :, ::-1]


@dataclass(frozen=True)
class FlipUpDown:
    """Mirror top and bottom."""

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return images[:, ::-1]


@dataclass(frozen=True)
class Rotate:
    """Rotate counter-clockwise about the center, bilinearly; corners are filled with the nearest edge pixel.

    Args:
        degrees: Angle in `[-360, 360]`; default 30.
    """

    degrees: float = 30.0

    def __post_init__(self) -> None:
        store(self, degrees=check_number("degrees", self.degrees, -360, 360, of="'rotate'", example=30))

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, w = images.shape[1:3]
        y, x = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        return sample_bilinear(images, cos * y + sin * x + (h - 1) / 2, cos * x - sin * y + (w - 1) / 2)


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise to every value.

    Args:
        variance: Variance of the noise for pixels in `[0, 1]`, from 0 to 1; default 0.2.
    """

    variance: float = 0.2

    def __post_init__(self) -> None:
        store(self, variance=check_fraction("variance", self.variance, bounds="[]", of="'noise'", example=0.2))

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        sampled = rng.standard_normal(images.shape, np.float32)
        return to_uint8(images + sampled * np.float32(255 * self.variance**0.5))


@dataclass(frozen=True)
class Stretch:
    """Stretch each image's values to the range 0 to 255; a constant image stays as it is."""

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low = images.min((1, 2, 3), keepdims=True).astype(np.float32)
        high = images.max((1, 2, 3), keepdims=True).astype(np.float32)
        flat = high == low
        return np.where(flat, images, to_uint8((images - low) * (255 / np.where(flat, 1, high - low))))


@dataclass(frozen=True)
class Crop:
    """Pad each image by reflection and crop it back to its size at a random position.

    Args:
        pad: Padding on each side, in px, or as a fraction of the side if below 1; default 4.
    """

    pad: float = 4

    def __post_init__(self) -> None:
        store(self, pad=check_pad(self.pad))

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        rows, columns = (
            _reflected_positions(rng, len(images), side, count_pixels(self.pad, side)) for side in images.shape[1:3]
        )
        return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


@dataclass(frozen=True)
class Zoom:
    """Crop a random part of each image, the same fraction of both sides, and resize it to the image's size, bilinearly.

    Args:
        low: Smallest fraction, in `[0.05, 1]`; the largest is 1. Default 0.7.
    """

    low: float = 0.7

    def __post_init__(self) -> None:
        store(self, low=check_number("low", self.low, 0.05, 1, of="'zoom'", example=0.7))

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, h, w = images.shape[:3]
        share = rng.uniform(self.low, 1, (n, 1))
        y, x = (rng.uniform(0, 1 - share) * side + (np.arange(side) + 0.5) * share - 0.5 for side in (h, w))
        return crop_and_resize(images, y, x)


#: Every change of uint8 images, by name.
STEPS: dict[str, type[Step]] = {
    "identity": Identity,
    "flip_lr": FlipLeftRight,
    "flip_up": FlipUpDown,
    "rotate": Rotate,
    "noise": Noise,
    "stretch": Stretch,
    "crop": Crop,
    "zoom": Zoom,
}


def parse_steps_of_view(view: Any, steps: Mapping[str, type[Any]] = STEPS) -> tuple[Any, ...]:
    """Return the steps of one view.

    Args:
        view: As a user writes it.
        steps: The steps that are allowed, by name; default `STEPS`.

    Raises:
        MTLError: If a name or an option is unknown, an option is out of range, or there is no step.

    Example:
        >>> parse_steps_of_view(("flip_lr", {"method": "crop", "pad": 2}))
        (FlipLeftRight(), Crop(pad=2))
    """
    listed = (view,) if isinstance(view, str | Mapping) else view
    if not isinstance(listed, Sequence) or not listed:
        raise MTLError(
            f"An augmentation must be a step or a sequence of steps. Received: {describe(view)}. Pass e.g. ('flip_lr', 'crop')."
        )
    return tuple(
        parse_choice("augmentation step", step, steps, example="'flip_lr' or {'method': 'crop', 'pad': 4}") for step in listed
    )


def parse_views(views: Any) -> tuple[tuple[Step, ...], ...]:
    """Return the steps of each of several views.

    Raises:
        MTLError: If there is no view, or one is invalid.
    """
    if isinstance(views, str | Mapping) or not isinstance(views, Sequence) or not views:
        raise MTLError(
            f"`steps` must be a sequence of views, at least one. Received: {describe(views)}. Pass e.g. "
            "('identity', 'flip_lr')."
        )
    return tuple(parse_steps_of_view(view) for view in views)


def apply_view(images: np.ndarray, view: Sequence[Step], seed: Sequence[int]) -> Iterator[np.ndarray]:
    """Apply the steps of one view to all images, some at a time.

    Args:
        images: uint8 `[n, h, w, c]`.
        view: Steps, as `parse_steps_of_view` returns them.
        seed: Seed of all random values.

    Returns:
        One after the other, uint8 `[m, h, w, c]` of the next m images.

    Raises:
        MTLError: If a padding is not smaller than the images.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK_BYTES // max(images[:1].nbytes, 1))
    for start in range(0, len(images), rows):
        part = np.asarray(images[start : start + rows])
        for step in view:
            part = step(part, rng)
        yield part


def check_pad(pad: Any) -> float:
    """Return a padding after checking that it is given in px, or below 1 as a fraction of the side.

    Raises:
        MTLError: If it is neither.
    """
    pad = check_number("pad", pad, 0, 1024, bounds="(]", of="'crop'", example=4)
    if pad > 1 and pad != int(pad):
        raise MTLError(
            f"`pad` of 'crop' must be a whole number of px or a fraction of the side below 1. Received: pad={pad}. Pass e.g. "
            "pad=4."
        )
    return pad


def count_pixels(pad: float, side: int) -> int:
    """Return a padding in px for a side of that many px.

    Raises:
        MTLError: If it is not smaller than the side, which reflection requires.
    """
    count = int(pad) if pad >= 1 else max(1, round(pad * side))
    if count >= side:
        raise MTLError(
            f"`pad` must be smaller than the sides of the image. Received: pad={pad} for a side of {side} px. Pass e.g. 0.125."
        )
    return count


def _reflected_positions(rng: np.random.Generator, n: int, side: int, pad: int) -> np.ndarray:
    """Return for n images the source rows (or columns) `[n, side]` of a random shift by up to `pad` px."""
    at = np.arange(side) + rng.integers(-pad, pad + 1, (n, 1))
    # Reflection without the edge itself: -1 is 1, side is side - 2.
    return (side - 1) - np.abs((side - 1) - np.abs(at))
