"""Data from images listed in a table: labels and splits by column, and what is refused."""

from __future__ import annotations

import io
import json
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
    """40 rows whose images encode their row; every tenth has no price."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for row in range(ROWS):
        Image.fromarray(np.full((*size, 3), (row, 100, 7), np.uint8)).save(folder / "images" / f"{row:03}.png")
        price = np.nan if row % 10 == 0 else float(row)
        rows.append({"path": f"images/{row:03}.png", "kind": KINDS[row % 4], "new": bool(row % 2), "price": price})
    return pd.DataFrame(rows)


def load(frame: Any, root: Path | None, **options: Any) -> mtl.data.Data:
    """Load images; `split`, `validation` and `test` are fields of the splits."""
    fields = {"split": "column", "validation": "validation", "test": "test"}
    splits = {field: options.pop(name) for name, field in fields.items() if name in options}
    return mtl.data.from_table(frame, **{"tasks": TASKS, "image": "path", "root": root, "splits": splits, **options})


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


def test_splits_are_a_function_of_the_seed_and_keep_proportions(tmp_path: Path) -> None:
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


def test_a_split_without_rows_is_held_out_of_the_training_rows(tmp_path: Path) -> None:
    frame = table(tmp_path).assign(part=["train", "test"] * 20)
    data = load(frame, tmp_path, split="part", validation=0.25, seed=3)
    assert rows_of(data.test) == list(range(1, ROWS, 2))
    assert (len(data.train), len(data.validation)) == (15, 5)
    assert sorted(rows_of(data.train) + rows_of(data.validation)) == list(range(0, ROWS, 2))


@pytest.mark.parametrize("form", ["csv", "records", "columns", "indexed"])
def test_tables_are_read_from_files(form: str, tmp_path: Path) -> None:
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


def test_image_names_that_look_like_numbers_stay_strings(tmp_path: Path) -> None:
    for row in range(4):
        Image.new("RGB", (4, 4), (row, 0, 0)).save(tmp_path / f"00{row}", "PNG")
    (tmp_path / "t.csv").write_text("file,new\n000,0\n001,1\n002,0\n003,1\n", encoding="utf-8")
    assert len(load(tmp_path / "t.csv", None, tasks=TASKS.only("new"), image="file").train) == 3


def test_an_empty_string_is_an_absent_label(tmp_path: Path) -> None:
    frame = table(tmp_path)
    frame["kind"] = ["", None, " ", *frame["kind"][3:]]
    data = load(frame, tmp_path)
    both = [(split, row, i) for split in (data.train, data.validation) for i, row in enumerate(rows_of(split))]
    assert [row for split, row, i in both if not split.weight["kind"][i]] == [0, 1, 2]
    assert data.class_names == {"kind": ("Skirt", "dress", "jeans")}


def test_a_task_without_a_label_in_a_split_is_refused(tmp_path: Path) -> None:
    frame = table(tmp_path).assign(part=[*["train"] * 20, *["val"] * 10, *["test"] * 10])
    frame.loc[frame.part == "test", "price"] = None
    with pytest.raises(MTLError, match=r"Received: none for 'price' \(column 'price'\) in test \(10 rows\). Add labels"):
        load(frame, tmp_path, split="part")
    frame["new"] = None
    with pytest.raises(MTLError, match=r"'new' \(column 'new'\) in train \(20 rows\), validation \(10 rows\), test"):
        load(frame, tmp_path, split="part")


def test_lists_and_groups_of_strings(tmp_path: Path) -> None:
    frame = table(tmp_path)
    frame["marks"] = pd.Series([[row % 2, 1] if row % 3 else None for row in range(ROWS)])
    legs = mtl.Binary("legs", label=mtl.ClassMap("kind", {"none": ["Skirt", "dress"], "two": ["jeans"]}))
    data = load(frame, tmp_path, tasks=mtl.Tasks(mtl.MultiLabel("marks", classes=2), legs))
    rows = np.array(rows_of(data.train))
    np.testing.assert_array_equal(data.train.weight["marks"], (rows % 3 > 0).astype(np.float32))
    np.testing.assert_array_equal(data.train.y["legs"], rows % 4 == 2)
    assert data.class_names["legs"] == ("none", "two")


def test_images_are_resized(tmp_path: Path) -> None:
    frame = table(tmp_path)
    Image.new("L", (9, 9), 5).save(tmp_path / "images/003.png")
    with pytest.raises(MTLError, match=r"images/000.png of 8 x 6 px and images/003.png of 9 x 9 px. Pass image_size="):
        load(frame, tmp_path)
    assert load(frame, tmp_path, image_size=4).image_shape == (4, 4, 3)
    with pytest.raises(MTLError, match=r"`image_size` must be an integer in \[1, 16384\]. Received: image_size=0"):
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
    (
        {"part": ["train", None, "dev", "train"] * 10},
        {"split": "part"},
        "A split must be one of train, val, validation, test. Received: '' in rows 1, 5, 9, 13, 17 and 5 more; 'dev' in rows "
        "2, 6, 10, 14, 18 and 5 more of column 'part'. Correct these rows.",
    ),
    ({"part": ["val", "test"] * 20}, {"split": "part"}, "Received: none in column 'part'. Call their split 'train'"),
    (
        {"part": ["train", "val"] * 20},
        {"split": "part", "validation": 0.1},
        "Received: validation=0.1, and 20 rows. Remove `validation`",
    ),
    ({}, {"validation": 0.5, "test": 0.5}, "Received: test=0.5, validation=0.5 of 40 rows"),
    ({}, {"validation": 0.0}, "`validation` of splits must be a number in (0, 1). Received: validation=0.0"),
    ({}, {"seed": -1}, "`seed` must be an integer in [0, 2147483647]"),
    ({"path": ["images/000.png", "images/none.png"] * 20}, {}, "20 of 40 that do not, the first"),
    ({"path": ["images/000.png", "images/none.png"] * 20}, {}, "images/none.png, rows 1, 3, 5, 7, 9 and 15 more. Pass root="),
    (
        {"path": [f"images/{row:03}" for row in range(40)]},
        {},
        "40 of 40 that do not, the first {root}/images/000, rows 0, 1, 2, 3, 4 and 35 more. 000.png lies there: pass "
        "suffix='.png'.",
    ),
    (
        {"path": ["images/000.png", None] * 20},
        {},
        "in rows 1, 3, 5, 7, 9 and 15 more of column 'path'. Fill it in",
    ),
    (
        {"path": ["images/000.png", *(f"images/{row:03}.png" for row in range(1, 39)), "images/../images/000.png"]},
        {},
        "Rows of one image must not be divided between splits, and rows are held out of the training part at random. Received: "
        "1 images in several of its rows, the first images/000.png, rows 0, 39. Keep one row per image, name the",
    ),
    (
        {"path": ["images/000.png"] * 40, "part": ["train", "val"] * 20},
        {"split": "part"},
        "An image must be in one split. Received: 1 in several, the first images/000.png, row 0 (train), row 1 (validation), ",
    ),
    ({"kind": [*["dress"] * 39, 3]}, {}, "Received: 3 in row 39 of column 'kind', unlike most others."),
    ({"price": [*range(39), "dear"]}, {}, "Received: 'dear' in row 39 of column 'price', unlike most others."),
    ({"price": [*map(str, range(39)), "dear"]}, {}, "'price' must be numbers. Received: 'dear' in row 39. Replace"),
    (
        {"kind": [*["jeans", "Skirt", "dress"] * 13, "dres"]},
        {},
        "Received: classes=3 for task 'kind', and 4 strings in column 'kind'. The rarest are 'dres' in row 39, 'dress' in rows "
        "2, 5, 8, 11, 14 and 8 more: correct them, or pass classes=4.",
    ),
    (
        {"kind": ["jeans", "Skirt"] * 20},
        {},
        "Received: classes=3 for task 'kind', and 2 strings in column 'kind'. Add what is missing, or pass classes=2.",
    ),
    (
        {"kind": [*["jeans", "dress"] * 19, "Skirt", " dress"]},
        {},
        "Classes must differ by more than spaces. Received: ' dress' in row 39 of column 'kind', beside 'dress'. Correct them",
    ),
    (
        {"new": ["no", "yes", "perhaps", "no"] * 10},
        {},
        "A binary task must have two classes. Received: 3 for task 'new', no, perhaps, yes. Use mtl.Classification.",
    ),
    ({"kind": [0, 1, 2, 3] * 10}, {}, "must be integers from 0 to 2. Received: 3.0 in row 3"),
    (
        {"kind": [1, 2, 3, 1] * 10},
        {},
        "Received: 3.0 in row 2 (10 of 40 rows are out of range, rows 2, 6, 10, 14, 18 and 5 more). ",
    ),
    ({"kind": [1, 2, 3, 1] * 10}, {}, "They seem to count from 1: subtract 1, or leave `classes` out."),
    (
        {"marks": ["a|b", "b", "a|c", ""] * 10},
        {"tasks": mtl.Tasks(mtl.MultiLabel("marks", classes=4))},
        "Received: classes=4 for task 'marks', and 3 in column 'marks', separated by '|'. Pass classes=[...], or another "
        "separator=.",
    ),
    ({}, {"image_size": "32"}, "`image_size` must be an integer in [1, 16384]. Received: image_size='32'"),
    ({}, {"image_size": (32,)}, "`image_size` must be a side, or height and width, in px. Received: image_size=(32,)"),
]


@pytest.mark.parametrize(("columns", "options", "message"), REFUSED)
def test_invalid_tables_and_arguments_are_refused(
    columns: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MTLError) as refused:
        load(table(tmp_path).assign(**columns), tmp_path, **options)
    assert message.replace("{root}", str(tmp_path)) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    frame = table(tmp_path)
    frame["kind"] = frame["kind"].mask(frame.index == 7, "dres")
    frame["new"] = frame["new"].astype(object).mask(frame.index == 8, 5)
    frame["part"] = [*["train"] * 30, *["val"] * 9, "vall"]
    for row, path in ((3, np.nan), (4, "images/none.png"), (5, "../secret.png")):
        frame.loc[row, "path"] = path
    (tmp_path / "images/006.png").write_bytes(b"torn")
    with pytest.raises(MTLError, match="^7 kinds of problems: ") as refused:
        load(frame, tmp_path, split="part")
    for number, said in enumerate(
        [
            "must have the path of an image. Received: nan in row 3 of",
            "the first ../secret.png, row 5. Pass root=",
            f"the first {tmp_path}/images/none.png, row 4. ",
            "'dres' in row 7, ",
            "Received: 5.0 in row 8",
            "Received: 'vall' in row 39 of column 'part'. Correct",
            f"{tmp_path}/images/006.png in row 6: its content is of another kind. Replace",
        ],
        start=1,
    ):
        start = str(refused.value).index(f"({number}) ")
        assert said in str(refused.value)[start:].split(f"({number + 1}) ")[0]


def test_a_table_reads_no_image_outside_of_the_root_unless_told_so(tmp_path: Path) -> None:
    frame, inside = table(tmp_path), tmp_path / "inside"
    inside.mkdir()
    for paths in ([f"../{path}" for path in frame.path], [str(tmp_path / path) for path in frame.path]):
        with pytest.raises(
            MTLError, match=rf"must lie below the root, {inside}\. Received: 40 of 40 that do not, the first {paths[0]}"
        ):
            load(frame.assign(path=paths), inside)
    absolute = frame.assign(path=[str(tmp_path / path) for path in frame.path])
    for root in (Path("/"), tmp_path):
        np.testing.assert_array_equal(load(absolute, root).train.x, load(frame, tmp_path).train.x)
    # A link of the folder's owner is followed.
    (inside / "images").symlink_to(tmp_path / "images")
    assert len(load(frame, inside).train) == 36
    with pytest.raises(
        MTLError, match=r"must lie below the root.* the first images/\.\./\.\./images/000\.png, rows 0, 1, 2, 3, 4 and"
    ):
        load(frame.assign(path=["images/../../" + path for path in frame.path]), inside)


def test_rows_of_one_image_may_share_a_split_that_a_column_names(tmp_path: Path) -> None:
    frame = table(tmp_path)
    both = pd.concat([frame, frame[frame.index < 20]]).assign(part=[*["train"] * 20, *["val"] * 20, *["train"] * 20])
    data = load(both, tmp_path, split="part")
    assert (len(data.train), len(data.validation)) == (40, 20)
    with pytest.raises(
        MTLError, match=r"Received: 20 images in several of its rows, the first images/000.png, rows 0, 40. Keep"
    ):
        load(both, tmp_path, split="part", test=0.1)


def damaged(how: str) -> bytes:
    """A damaged image file; each kind of damage raises another error in Pillow."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 160, 3)).astype(np.uint8)).save(stream, "PNG")
    whole = stream.getvalue()
    last = whole.rindex(b"IDAT")
    return {"text": b"no image", "cut": whole[:4000], "chunk": whole[:last] + b"\0DAT" + whole[last + 4 :]}[how]


@pytest.mark.parametrize("how", ["text", "cut", "chunk"])
def test_unreadable_images_are_named(how: str, tmp_path: Path) -> None:
    frame = table(tmp_path)
    for row in (7, 9):
        (tmp_path / f"images/{row:03}.png").write_bytes(damaged(how))
    named = r"{}/images/{}.png in row {}: .*"
    pattern = "Received: 2 of 40 that are not: " + "; ".join(named.format(tmp_path, *pair) for pair in (("007", 7), ("009", 9)))
    with pytest.raises(MTLError, match=pattern) as refused:
        load(frame, tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "A table must have content. Received: .*t.csv, which is empty"),
        ("t.csv", "path,new\n", "A table must have rows. Received: .*t.csv with 0 rows"),
        ("t.json", "{", "A .json table must be a list of records or a mapping of columns"),
        ("t.json", "3", "A .json table must be a list of records"),
        ("t.json", '{"path": ["a"], "new": [1, 0]}', "A .json table must be a list of records"),
        ("t.txt", "path", "A table must be a DataFrame, or a .csv, .* file, perhaps with .gz or .zip. Received: .*t.txt. Read"),
        ("none.csv", None, "A table must be a file. Received: .*none.csv, which does not exist. Correct the path"),
    ],
)
def test_files_that_are_not_tables_are_refused(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(MTLError, match=message) as refused:
        load(tmp_path / name, None, tasks=TASKS.only("new"))
    assert "\n" not in str(refused.value)


def test_other_types_are_not_tables() -> None:
    with pytest.raises(MTLError, match="`table` must be a DataFrame or the path of a file. Received: "):
        load([{"path": "a.png"}], None)
