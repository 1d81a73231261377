"""Images that are nearly the same: recompressed, resized or slightly brightened copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtl_keras.inspection._finding import Finding
from mtl_keras.inspection._groups import list_groups
from mtl_keras.inspection._hashes import find_near
from mtl_keras.inspection._photos import Photos
from mtl_keras.inspection._rows import Rows
from mtl_keras.inspection._text import count

__all__ = ["check_near_duplicates"]

#: Correlation of the 8 x 8 px of color of two images from which they are copies, not look-alikes. Of copies that were
#: recompressed with quality 50, resized or slightly brightened 98 % reach it; of 13 million pairs of unrelated photos 2 do.
ALIKE = 0.98
#: Images of each of two near hashes that are compared.
FIRST = 3


def check_near_duplicates(rows: Rows) -> Iterator[Finding]:
    """Find groups of images that look the same, in several splits or with different labels.

    Two images look the same if their 64-bit perceptual hashes differ in at most 6 bits and their colors, in 8 x 8 px, have a
    correlation of at least .98. Hashes are compared in buckets.
    """
    if not len(rows.files) or not rows.photos.readable.any():
        return
    group, complete = group_alike(rows.photos)
    members = list_groups(group, group >= 0)
    if not complete:
        yield Finding(
            "near_duplicates",
            "note",
            "images",
            "Very many images look alike, so that not all of them were compared and some copies may be missed.",
        )
    divided = [own for own in members if rows.sides is not None and len({*rows.sides[list(own)].tolist()}) > 1]
    if divided:
        remedy = "hold copies together with a group column" if rows.sampled else "put all copies into one split"
        yield Finding(
            "near_duplicates",
            "warning",
            "splits",
            f"{count(len(divided), 'group')} of images that look the same are in several splits: what was learned by heart "
            "counts as right there.",
            f"Look at them; keep one of each, or {remedy}.",
            groups=tuple(divided),
        )
    for label in rows.classes:
        odd = [own for own in members if _varies(label.values[list(own)], label.present[list(own)])]
        if odd:
            yield Finding(
                "near_duplicates",
                "warning",
                label.name,
                f"{count(len(odd), 'group')} of images that look the same have different labels.",
                "Look at them and correct the labels.",
                groups=tuple(odd),
            )
    together = [own for own in members if own not in set(divided)]
    if together:
        yield Finding(
            "near_duplicates",
            "note",
            "images",
            f"{count(len(together), 'group')} of images in one split look the same ({count(sum(map(len, together)), 'row')}).",
            "Copies count several times; keep one of each if they are no separate observations.",
            groups=tuple(together),
        )


def group_alike(photos: Photos) -> tuple[np.ndarray, bool]:
    """Return a number for each row, the same for images that look the same but are not the same file, and -1 for others.

    Also returns whether all images were compared that had to be.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    result = np.full(len(photos.readable), -1, np.int64)
    usable = np.flatnonzero(photos.readable & ~photos.flat)
    # Equal files are exact copies, which another check lists: one of each is enough here.
    _, first = np.unique(photos.digests[usable], return_index=True)
    at = usable[np.sort(first)]
    hashes, same = np.unique(photos.hashes[at], return_inverse=True)
    near, complete = find_near(hashes)
    pairs = _pairs_of_images(near, same, photos.small[at].mean(axis=1))
    pairs = pairs[_correlate(photos.small[at], pairs) >= ALIKE]
    if len(pairs):
        ones = np.ones(len(pairs))
        _, component = connected_components(coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(len(at), len(at))), False)
        in_pair = np.zeros(len(at), bool)
        in_pair[pairs.ravel()] = True
        result[at[in_pair]] = np.unique(component[in_pair], return_inverse=True)[1]
    return result, complete


def _pairs_of_images(near: np.ndarray, same: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """Return the pairs of images `[m, 2]` that are compared by color.

    Args:
        near: Pairs of distinct hashes.
        same: Number of the hash of each image.
        brightness: That of each image.

    Returns:
        Of images with one hash, neighbors in order of brightness, and of those with near hashes the first few: copies that
        are many form one group all the same.
    """
    order = np.lexsort((brightness, same))
    size = np.bincount(same)
    start = np.cumsum(size) - size
    chain = np.stack([order[:-1], order[1:]], axis=1)[np.diff(same[order]) == 0]
    pairs = [chain]
    for one in range(FIRST):
        for other in range(FIRST):
            there = near[(size[near[:, 0]] > one) & (size[near[:, 1]] > other)]
            pairs.append(np.stack([order[start[there[:, 0]] + one], order[start[there[:, 1]] + other]], axis=1))
    return np.concatenate(pairs)


def _correlate(small: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the correlation of the colors of each pair, `[m]`."""
    result = np.empty(len(pairs))
    for begin in range(0, len(pairs), 10_000):
        part = pairs[begin : begin + 10_000]
        one, other = (small[part[:, side]].astype(np.float64) for side in (0, 1))
        one, other = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
        norm = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
        result[begin : begin + 10_000] = (one * other).sum(axis=1) / np.maximum(norm, 1e-9)
    return result


def _varies(values: np.ndarray, present: np.ndarray) -> bool:
    """Return whether known labels differ."""
    return len(np.unique(values[present])) > 1
