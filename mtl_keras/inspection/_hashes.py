"""Perceptual hashes of images, and which of many hashes are near each other."""

from __future__ import annotations

import numpy as np

__all__ = ["DISTANCE", "SIDE", "find_near", "hash_images", "shrink"]

#: Side of the images that are hashed, in px.
SIDE = 32
#: Side of the small versions by which copies are told from look-alikes, in px.
SMALL = 8
#: Bits in which two hashes of copies may differ. Recompressed, resized and slightly brightened copies of photos differ in up
#: to 6; of 13 million pairs of unrelated photos of clothing, of which many show the same kind of garment, 5 do.
DISTANCE = 6
#: Pairs of hashes that are compared at most, about 5 seconds.
MAX_PAIRS = 300_000_000
#: Standard deviation of gray values, of 255, below which an image is of one color and has no structure to be hashed.
FLAT = 2.0
#: Weights of red, green and blue in gray values.
LUMA = (0.299, 0.587, 0.114)


def hash_images(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the perceptual hash of each image, and whether it is of one color.

    The hash has a bit for each of the 8 x 8 lowest frequencies of the gray image, without those that are constant along a
    side: whether its coefficient of the cosine transform is above their median. It hardly changes with size, compression,
    brightness and contrast.

    Args:
        images: RGB, uint8 `[n, 32, 32, 3]`.

    Returns:
        Hashes `[n]` uint64 and booleans `[n]`.

    Reference:
        C. Zauner, Implementation and benchmarking of perceptual image hash functions, 2010.
    """
    from scipy.fft import dctn

    gray = images.astype(np.float32) @ np.array(LUMA, np.float32)
    low = dctn(gray, axes=(1, 2))[:, 1:9, 1:9].reshape(len(images), 64)
    bits = np.ascontiguousarray(low > np.median(low, axis=1, keepdims=True))
    return np.packbits(bits, axis=1).view(np.uint64).ravel(), gray.std(axis=(1, 2)) < FLAT


def shrink(images: np.ndarray) -> np.ndarray:
    """Return images `[n, 32, 32, 3]` as uint8 `[n, 192]`, 8 x 8 px of color."""
    n, step = len(images), SIDE // SMALL
    blocks = images.reshape(n, SMALL, step, SMALL, step, 3).mean(axis=(2, 4))
    return np.rint(blocks).astype(np.uint8).reshape(n, -1)


def find_near(hashes: np.ndarray, distance: int = DISTANCE, max_pairs: int = MAX_PAIRS) -> tuple[np.ndarray, bool]:
    """Return the pairs of hashes that differ in at most `distance` bits, without comparing all pairs.

    The 64 bits are divided into `distance` + 1 bands. Two hashes that differ in fewer bits than there are bands agree in one
    of them, so that only hashes with an equal band are compared.

    Args:
        hashes: Distinct values `[n]`, uint64.
        distance: From 0 to 63.
        max_pairs: Pairs to compare at most. Of images that all look alike, most share a band; each is then compared only
            with those whose other bits are nearest in order, and pairs may be missed.

    Returns:
        Pairs of positions `[m, 2]`, the smaller one first, in order and each once; and whether none can have been missed.
    """
    bands = np.array_split(np.arange(64), distance + 1)
    found, complete = [np.empty((0, 2), np.int64)], True
    for band in bands:
        # The band becomes the highest bits, so that one sort puts equal bands, and near hashes in them, next to each other.
        first, width = np.uint64(band[0]), np.uint64(len(band))
        turned = (hashes << first) | (hashes >> ((np.uint64(64) - first) % np.uint64(64)))
        order = np.argsort(turned, kind="stable")
        turned = turned[order]
        key = turned >> (np.uint64(64) - width)
        sizes = np.unique(key, return_counts=True)[1]
        reach = _limit_reach(sizes, max_pairs // len(bands))
        complete &= reach >= sizes.max(initial=1) - 1
        at = np.arange(len(key))
        for step in range(1, reach + 1):
            at = at[at + step < len(key)]
            at = at[key[at] == key[at + step]]
            if not at.size:
                break
            near = at[count_bits(turned[at] ^ turned[at + step]) <= distance]
            found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
    return np.unique(np.concatenate(found), axis=0), bool(complete)


def _limit_reach(sizes: np.ndarray, max_pairs: int) -> int:
    """Return how many followers each hash is compared with, so that groups of these sizes have at most `max_pairs` pairs."""
    low, high = 1, int(sizes.max(initial=1)) - 1
    while low < high:
        reach = (low + high + 1) // 2
        pairs = np.where(sizes > reach, reach * (sizes - 1) - reach * (reach - 1) // 2, sizes * (sizes - 1) // 2).sum()
        low, high = (reach, high) if pairs <= max_pairs else (low, reach - 1)
    return low if high else 0


def count_bits(values: np.ndarray) -> np.ndarray:
    """Return the number of bits that are set in each uint64; NumPy counts them from version 2 on only."""
    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    values = (values & np.uint64(0x3333333333333333)) + ((values >> np.uint64(2)) & np.uint64(0x3333333333333333))
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (values * np.uint64(0x0101010101010101)) >> np.uint64(56)
