"""Images that a table lists: labels by column, splits by column or by the seed, and what is refused."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.errors import MTLError

KINDS = ("dress", "Skirt", "jeans", "dress")
TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("new"), mtl.Regression("price"))
ROWS = 40


def table(folder: Path, size: tuple[int, int] = (8, 6)) -> pd.DataFrame:
    """40 rows whose images say which row they are of; every tenth has no price."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for row in range(ROWS):
        Image.fromarray(np.full((*size, 3), (row, 100, 7), np.uint8)).save(folder / "images" / f"{row:03}.png")
        price = np.nan if row % 10 == 0 else float(row)
        rows.append({"path": f"images/{row:03}.png", "kind": KINDS[row % 4], "new": bool(row % 2), "price": price})
    return pd.DataFrame(rows)


def load(frame: Any, root: Path | None, **options: Any) -> mtl.data.Data:
    return mtl.data.from_dataframe(frame, **{"tasks": TASKS, "root": root, **options})


def rows_of(split: mtl.data.Split | None) -> list[int]:
    assert split is not None
    return [int(image[0, 0, 0]) for image in split.x]


def test_columns_are_labels_of_the_row_s_image(tmp_path: Path) -> None:
    data = load(table(tmp_path), tmp_path, test=0.2)
    assert (data.name, data.image_shape) == ("dataframe", (8, 6, 3))
    assert data.class_names == {"kind": ("Skirt", "dress", "jeans")}
    for split, name, count in ((data.train, "train", 28), (data.validation, "validation", 4), (data.test, "test", 8)):
        rows = rows_of(split)
        assert split is not None
        assert (split.name, len(rows), rows) == (name, count, sorted(rows))
        assert [("Skirt", "dress", "jeans")[k] for k in split.y["kind"]] == [KINDS[row % 4] for row in rows]
        assert split.y["new"].tolist() == [row % 2 for row in rows]
        assert split.weight["price"].tolist() == [float(row % 10 != 0) for row in rows]
        assert [p for p, w in zip(split.y["price"], split.weight["price"], strict=True) if w] == [r for r in rows if r % 10]
    everything = [row for split in (data.train, data.validation, data.test) for row in rows_of(split)]
    assert sorted(everything) == list(range(ROWS))


def test_shares_are_of_the_seed_and_keep_the_classes(tmp_path: Path) -> None:
    frame = table(tmp_path)
    tasks = TASKS.only("kind")
    first, again, other = (load(frame, tmp_path, tasks=tasks, validation=0.2, test=0.2, seed=seed) for seed in (1, 1, 2))
    for split in (first.validation, first.test):
        assert split is not None
        assert np.bincount(split.y["kind"]).tolist() == [2, 4, 2]
    assert rows_of(first.test) == rows_of(again.test) != rows_of(other.test)
    assert rows_of(first.validation) == rows_of(again.validation) != rows_of(other.validation)
    default = load(frame, tmp_path)
    assert (len(default.train), len(default.validation), default.test) == (36, 4, None)


def test_a_column_names_the_split(tmp_path: Path) -> None:
    frame = table(tmp_path).assign(part=["train", "val", "test", "train", "validation"] * 8)
    data = load(frame, tmp_path, split="part")
    assert rows_of(data.train) == [row for row in range(ROWS) if row % 5 in (0, 3)]
    assert rows_of(data.validation) == [row for row in range(ROWS) if row % 5 in (1, 4)]
    assert rows_of(data.test) == list(range(2, ROWS, 5))
    assert [split.name for split in (data.train, data.validation, data.test) if split] == ["train", "validation", "test"]


def test_what_no_row_is_of_is_taken_from_the_training_rows(tmp_path: Path) -> None:
    frame = table(tmp_path).assign(part=["train", "test"] * 20)
    data = load(frame, tmp_path, split="part", validation=0.25, seed=3)
    assert rows_of(data.test) == list(range(1, ROWS, 2))
    assert (len(data.train), len(data.validation)) == (15, 5)
    assert sorted(rows_of(data.train) + rows_of(data.validation)) == list(range(0, ROWS, 2))


@pytest.mark.parametrize("form", ["csv", "records", "columns", "indexed"])
def test_files_are_tables_too(form: str, tmp_path: Path) -> None:
    frame = table(tmp_path)
    file = tmp_path / ("clothes.csv" if form == "csv" else "clothes.json")
    if form == "csv":
        frame.to_csv(file, index=False)
    elif form == "indexed":
        frame.to_json(file)
    else:
        file.write_text(json.dumps(json.loads(frame.to_json(orient="records")) if form == "records" else lists(frame)))
    data, expected = load(file, None), load(frame, tmp_path)
    assert data.name == "clothes"
    assert data.class_names == expected.class_names
    np.testing.assert_array_equal(data.train.x, expected.train.x)
    for task in TASKS:
        np.testing.assert_array_equal(data.train.y[task], expected.train.y[task])
        np.testing.assert_array_equal(data.train.weight[task], expected.train.weight[task])


def lists(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {column: [None if value != value else value for value in frame[column].tolist()] for column in map(str, frame)}


def test_names_of_images_that_look_like_numbers_stay_as_they_are(tmp_path: Path) -> None:
    for row in range(4):
        Image.new("RGB", (4, 4), (row, 0, 0)).save(tmp_path / f"00{row}", "PNG")
    (tmp_path / "t.csv").write_text("file,new\n000,0\n001,1\n002,0\n003,1\n", encoding="utf-8")
    assert len(load(tmp_path / "t.csv", None, tasks=TASKS.only("new"), image="file").train) == 3


def test_empty_text_is_an_absent_label(tmp_path: Path) -> None:
    frame = table(tmp_path)
    frame["kind"] = ["", None, " ", *frame["kind"][3:]]
    frame["new"] = None
    data = load(frame, tmp_path)
    both = [(split, row, i) for split in (data.train, data.validation) for i, row in enumerate(rows_of(split))]
    assert [row for split, row, i in both if not split.weight["kind"][i]] == [0, 1, 2]
    assert not data.train.weight["new"].any()
    assert data.class_names == {"kind": ("Skirt", "dress", "jeans")}


def test_lists_and_groups_of_texts(tmp_path: Path) -> None:
    frame = table(tmp_path)
    frame["marks"] = pd.Series([[row % 2, 1] if row % 3 else None for row in range(ROWS)])
    legs = mtl.Binary("legs", label=mtl.ClassMap("kind", {"none": ["Skirt", "dress"], "two": ["jeans"]}))
    data = load(frame, tmp_path, tasks=mtl.Tasks(mtl.MultiLabel("marks", classes=2), legs))
    rows = np.array(rows_of(data.train))
    np.testing.assert_array_equal(data.train.weight["marks"], (rows % 3 > 0).astype(np.float32))
    np.testing.assert_array_equal(data.train.y["legs"], rows % 4 == 2)
    assert data.class_names["legs"] == ("none", "two")


def test_images_are_brought_to_one_size(tmp_path: Path) -> None:
    frame = table(tmp_path)
    Image.new("L", (9, 9), 5).save(tmp_path / "images/003.png")
    with pytest.raises(MTLError, match=r"images/000.png of 8 x 6 px and images/003.png of 9 x 9 px. Give image_size="):
        load(frame, tmp_path)
    assert load(frame, tmp_path, image_size=4).image_shape == (4, 4, 3)
    with pytest.raises(MTLError, match="at least 1 px. Received: image_size=0"):
        load(frame, tmp_path, image_size=0)


def test_many_images_keep_their_rows(tmp_path: Path) -> None:
    # Threads finish in any order: large images between small ones.
    frame = table(tmp_path)
    for row in range(0, ROWS, 3):
        Image.new("RGB", (900, 900), (row, 0, 0)).save(tmp_path / f"images/{row:03}.png")
    data = load(frame, tmp_path, image_size=4)
    for split in (data.train, data.validation):
        rows = rows_of(split)
        assert rows == sorted(rows)
        assert split.y["new"].tolist() == [row % 2 for row in rows]


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"image": "file"}, "Unknown column: received 'file'"),
    ({}, {"split": "parts"}, "Unknown column: received 'parts'"),
    ({}, {"tasks": mtl.Tasks(mtl.Binary("old"))}, "Unknown column: received 'old'"),
    ({"part": ["train", "dev"] * 20}, {"split": "part"}, "Unknown split: received 'dev'"),
    ({"part": ["train", "dev"] * 20}, {"split": "part"}, "Row 1 of column 'part' has it."),
    ({"part": ["train", None] * 20}, {"split": "part"}, "Row 1 of column 'part' has it."),
    ({"part": ["val", "test"] * 20}, {"split": "part"}, "Received: none in column 'part'. Call their split 'train'"),
    ({"part": ["train", "val"] * 20}, {"split": "part", "validation": 0.1}, "Received: validation=0.1, and 20 rows of that"),
    ({}, {"validation": 0.5, "test": 0.5}, "Received: test=0.5, validation=0.5 of 40 rows"),
    ({}, {"validation": 0.0}, "Received: validation=0.0 of 40 rows"),
    ({}, {"seed": -1}, "`seed` lies between"),
    ({"path": ["images/000.png", "images/none.png"] * 20}, {}, "20 of 40 that are not, the first"),
    ({"path": ["images/000.png", "images/none.png"] * 20}, {}, "images/none.png in row 1. Give root="),
    ({"path": ["images/000.png", None] * 20}, {}, " in row 1 of column 'path'. Fill it in"),
    ({"path": ["images/000.png", "images/../images/000.png"] * 20}, {}, "in row 0 (train) and row 1 (train), of which"),
    (
        {"path": ["images/000.png"] * 40, "part": ["train", "val"] * 20},
        {"split": "part"},
        "images/000.png in row 0 (train) and row 1 (validation), two splits",
    ),
    ({"kind": ["dress", 3] * 20}, {}, "column 'kind' with a mixture or something else, such as 'dress' in row 0"),
    ({"kind": [*"abcd"] * 10}, {}, "Received: classes=3 for task 'kind', and 4 texts in column 'kind': a, b, c, d. Give"),
    ({"new": ["yes", "no"] * 20}, {}, "Labels of task 'new' must be class indices from 0 to 1. Received: values such as 'yes'"),
    ({"kind": [0, 1, 2, 3] * 10}, {}, "whole numbers from 0 to 2. Received: 3.0 in row 3"),
]


@pytest.mark.parametrize(("columns", "options", "message"), REFUSED)
def test_what_cannot_be_loaded_is_refused(
    columns: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MTLError) as refused:
        load(table(tmp_path).assign(**columns), tmp_path, **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_of_one_image_may_share_a_split_that_a_column_names(tmp_path: Path) -> None:
    frame = table(tmp_path)
    both = pd.concat([frame, frame[frame.index < 20]]).assign(part=[*["train"] * 20, *["val"] * 20, *["train"] * 20])
    data = load(both, tmp_path, split="part")
    assert (len(data.train), len(data.validation)) == (40, 20)
    with pytest.raises(MTLError, match=r"row 0 \(train\) and row 40 \(train\), of which some are drawn"):
        load(both, tmp_path, split="part", test=0.1)


def torn(how: str) -> bytes:
    """A file that once was an image; each way fails elsewhere in Pillow."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)).save(stream, "PNG")
    whole = stream.getvalue()
    last = whole.rindex(b"IDAT")
    bitmap = b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return {
        "text": b"torn",
        "cut": whole[:4000],
        "chunk": whole[:last] + b"\0DAT" + whole[last + 4 :],
        "huge": bitmap,
    }[how]


@pytest.mark.parametrize("how", ["text", "cut", "chunk", "huge"])
def test_an_image_that_cannot_be_read_is_named(how: str, tmp_path: Path) -> None:
    frame = table(tmp_path)
    for row in (7, 9):
        (tmp_path / f"images/{row:03}.png").write_bytes(torn(how))
    with pytest.raises(MTLError, match=r"Received: 2 of 40 that cannot be read, the first .*images/007.png in row 7"):
        load(frame, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "a .csv table has a header. Received: .*t.csv: No columns"),
        ("t.csv", "path,new\n", "A table lists images. Received: 't' with no row"),
        ("t.json", "{", "A .json table is a list of records or a mapping of columns"),
        ("t.json", "3", "A .json table is a list of records"),
        ("t.json", '{"path": ["a"], "new": [1, 0]}', "A .json table is a list of records"),
        ("t.txt", "path", "A table is a DataFrame, or a .csv or .json file. Received: .*t.txt. Read"),
        ("none.csv", None, "Received: .*none.csv, which is no file"),
    ],
)
def test_files_that_are_no_table_are_refused(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MTLError, match=message) as refused:
        load(tmp_path / name, None, tasks=TASKS.only("new"))
    assert "\n" not in str(refused.value)


def test_something_else_is_no_table() -> None:
    with pytest.raises(MTLError, match="A table is a DataFrame, or a .csv or .json file. Received: list, which is no file"):
        load([{"path": "a.png"}], None)
