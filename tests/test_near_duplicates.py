"""Near duplicates of images: all copies and no look-alikes, without comparing all pairs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mtl_keras.inspection import CHECKS, Finding, Rows, class_labels
from mtl_keras.inspection._hashes import count_bits, find_near, hash_images
from tests._photos import COPIES, photo


def every_pair(hashes: np.ndarray, distance: int) -> list[list[int]]:
    """All pairs of near hashes, by comparing each with each."""
    return [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 3, 6, 9]))
@settings(max_examples=60, deadline=None)
def test_bands_find_what_comparing_all_pairs_finds(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2**64, 12, dtype=np.uint64)
    # Up to 12 bits of each copy are flipped: some are near, others just out of reach.
    flips = [rng.choice(64, rng.integers(0, 13), replace=False) for _ in range(60)]
    noise = np.array([sum(1 << int(bit) for bit in bits) for bits in flips], np.uint64)
    hashes = np.unique(np.concatenate([centers[rng.integers(0, 12, 60)] ^ noise, centers]))
    pairs, complete = find_near(hashes, distance)
    assert complete
    assert pairs.tolist() == every_pair(hashes, distance)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_bits_are_counted(values: list[int]) -> None:
    assert count_bits(np.array(values, np.uint64)).tolist() == [value.bit_count() for value in values]


def test_hashes_that_all_look_alike_take_bounded_time() -> None:
    rng = np.random.default_rng(0)
    # 200,000 hashes that differ in their lower 24 bits alone: nearly all pairs share several bands.
    hashes = np.unique(rng.integers(0, 2**24, 200_000, dtype=np.uint64))
    start = time.perf_counter()
    pairs, complete = find_near(hashes, 2, max_pairs=2_000_000)
    assert time.perf_counter() - start < 20
    assert not complete
    assert (count_bits(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= 2).all()


def test_an_image_of_one_color_has_no_hash() -> None:
    plain = np.full((3, 32, 32, 3), [[[[0]]], [[[255]]], [[[77]]]], np.uint8)
    noisy = plain[2:] + np.random.default_rng(0).integers(0, 3, (1, 32, 32, 3)).astype(np.uint8)
    assert hash_images(np.concatenate([plain, noisy]))[1].all()
    assert not hash_images(np.asarray(photo(0).resize((32, 32)))[None])[1].any()


def rows_of(images: list[Image.Image], folder: Path, sides: list[str], kinds: list[str] | None = None) -> Rows:
    """Store images and return them as rows."""
    files: list[Path | None] = []
    for number, image in enumerate(images):
        files.append(folder / f"{number}.png")
        image.save(folder / f"{number}.png")
    frame = pd.DataFrame({"kind": kinds or ["a"] * len(images)})
    labels = (class_labels("kind", "Classification", frame["kind"]),)
    return Rows("photos", frame, labels, sides=np.array(sides), files=files, image_size=(32, 32))


def found(rows: Rows, check: str = "near_duplicates") -> list[Finding]:
    return [*CHECKS[check](rows)]


@pytest.mark.parametrize("how", COPIES)
def test_copies_across_splits_are_found_and_unrelated_photos_are_not(how: str, tmp_path: Path) -> None:
    originals = [photo(seed) for seed in range(60)]
    copies = [COPIES[how](image) for image in originals[:30]]
    rows = rows_of([*originals, *copies], tmp_path, ["train"] * 60 + ["test"] * 30)
    (finding,) = found(rows)
    assert (finding.severity, finding.subject) == ("warning", "splits")
    groups = {*finding.groups}
    assert groups <= {(row, 60 + row) for row in range(30)}, "an unrelated pair"
    assert len(groups) >= 29
    # The same photos without copies.
    assert found(rows_of(originals, tmp_path, ["train", "test"] * 30)) == []


def test_a_chain_of_copies_is_one_group(tmp_path: Path) -> None:
    images = [photo(0), photo(1), *(change(photo(0)) for change in COPIES.values())]
    rows = rows_of(images, tmp_path, ["train"] * 7, ["a", "a", "a", "b", "a", "a", "a"])
    labeled, together = found(rows)
    assert (labeled.severity, labeled.subject, labeled.rows) == ("warning", "kind", (0, 2, 3, 4, 5, 6))
    assert (together.severity, together.groups) == ("note", ((0, 2, 3, 4, 5, 6),))


def test_equal_files_are_exact_duplicates_and_not_near_ones(tmp_path: Path) -> None:
    rows = rows_of([photo(0), photo(0), photo(1), photo(2)], tmp_path, ["train", "test", "train", "test"])
    assert found(rows) == []
    divided, same = found(rows, "duplicates")
    assert (divided.subject, divided.severity, divided.groups) == ("splits", "warning", ((0, 1),))
    assert same.rows == (0, 1)


def test_one_photo_in_other_colors_is_another_photo(tmp_path: Path) -> None:
    # On a gray wall with shadows: of a symmetric drawing, half of the frequencies would be zero but for noise.
    shirt = Image.blend(Image.new("RGB", (200, 200), "white"), photo(7, (200, 200)).convert("L").convert("RGB"), 0.2)
    shirt.paste((180, 30, 30), (50, 40, 150, 180))
    shirt.paste((200, 180, 60), (80, 60, 120, 100))
    recolored = Image.merge("RGB", [shirt.getchannel(band) for band in "BGR"])
    assert found(rows_of([shirt, recolored], tmp_path, ["train", "test"])) == []
    assert len(found(rows_of([shirt, COPIES["recompressed"](shirt)], tmp_path, ["train", "test"]))) == 1


def test_many_black_images_cost_nothing_and_are_no_copies(tmp_path: Path) -> None:
    images = [Image.new("RGB", (20 + n, 20), "black") for n in range(100)]
    rows = rows_of([*images, photo(0)], tmp_path, ["train", "test"] * 50 + ["train"])
    assert found(rows) == []
    flat = next(finding for finding in found(rows, "images") if finding.subject == "content")
    assert flat.rows == tuple(range(100))


def test_a_file_that_several_rows_name_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of([photo(0), photo(1)], tmp_path, ["train"] * 2)
    read, real = [], Image.open

    def count(file: Any, **options: Any) -> Image.Image:
        read.append(file.name)
        return real(file, **options)

    monkeypatch.setattr(Image, "open", count)
    doubled = Rows("photos", pd.DataFrame(index=range(5)), files=[*rows.files, *rows.files, None])
    assert doubled.photos.readable.tolist() == [True] * 4 + [False]
    assert len(read) == 2
    assert doubled.photos.hashes[0] == doubled.photos.hashes[2] != doubled.photos.hashes[1]


@pytest.mark.real_data
def test_the_photos_of_clothing_have_one_photo_twice(real_data: Path) -> None:
    table = pd.read_csv(real_data / "clothing" / "labels.csv")
    paths = {path.stem: path for path in (real_data / "clothing" / "images").iterdir()}
    labels = (class_labels("garment", "Classification", table["label"]),)
    rows = Rows("clothing", table, labels, files=[paths[name] for name in table["image"]], image_size=(64, 64))
    labeled, together = found(rows)
    assert (labeled.subject, labeled.groups) == ("garment", ((1935, 1985),))
    assert together.groups == labeled.groups
    assert table["label"][[1935, 1985]].tolist() == ["Shorts", "Skirt"]
