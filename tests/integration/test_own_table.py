"""A table or folder of one's own through the command line: inferred, searched, evaluated, resumed, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mtl_keras as mtl
from mtl_keras.tables import read_study_file
from tests.integration._tiny import Done, command, config_of, refused, values

#: A network of one small convolution: what takes time is tracing.
SMALL = ("--set", "backbone=SmallCNN", "--set", "freeze=false", "--set", 'backbone_options={"filters": [2]}')
FAST = ("--trials", 2, "--epochs", 1, "--n-final-seeds", 1, "--set", "baselines=false")
ROWS = 60


def photos(folder: Path) -> pd.DataFrame:
    """Photos of two colors and their table, with a missing label, a number and a column of names."""
    (folder / "photos").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for row in range(ROWS):
        color = np.array([200, 40, 40] if row % 2 else [40, 40, 200]) + rng.integers(-30, 30, 3)
        Image.fromarray(np.full((8, 8, 3), color, np.uint8)).save(folder / "photos" / f"p{row}.png")
        label = "" if row == 7 else ("red", "blue")[1 - row % 2]
        rows.append({"photo": f"p{row}", "color": label, "big": row // 2 % 2, "size": 1.5 * row, "id": f"x{row:03}"})
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "labels.csv", index=False)
    return frame


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    photos(folder)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def tuned(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    return folder, command("tune", table, *SMALL, *FAST, "--output-dir", folder, "--json")


def test_init_shows_what_is_inferred_and_writes_a_file_that_says_the_same(table: Path, tmp_path: Path) -> None:
    done = command("init", table, "-o", tmp_path / "study.toml", "--json")
    assert done.code == 0, done.err
    kinds = {column["name"]: (column["kind"], column["role"], column["task"]) for column in done.answer["columns"]}
    assert kinds == {
        "photo": ("image", "image", ""),
        "color": ("category", "task", "Classification"),
        "big": ("boolean", "task", "Binary"),
        "size": ("number", "task", "Regression"),
        "id": ("identifier", "", ""),
    }
    for words in (
        "photo",
        "files in photos, with .png added",
        "task: Classification",
        "left out",
        "1.7%",
        "Next: mtl-keras tune",
    ):
        assert words in done.err
    file = read_study_file(tmp_path / "study.toml")
    assert file.table == {"path": str(table.resolve()), "delimiter": ",", "decimal": ".", "encoding": "utf-8"}
    assert (file.inputs["image"], file.inputs["root"], file.inputs["suffix"]) == ("photo", "photos", ".png")
    assert file.tasks["color"] == {"kind": "Classification", "classes": ["blue", "red"]}
    study, same = mtl.load_study(tmp_path / "study.toml"), mtl.load_study(table)
    assert (study.tasks, study.settings, study.name) == (same.tasks, same.settings, same.name)
    refused(command("init", table, "-o", tmp_path / "study.toml"), "A study file must be new", "--force")
    assert command("init", table, "-o", tmp_path / "study.toml", "--force").code == 0


def test_rows_that_are_pooled_are_said_once_a_run_and_not_beside_an_error(table: Path, tmp_path: Path) -> None:
    """Each part of a division, each fold and each seed has a line of its own."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=90), "kind": [f"k{row % 30}" for row in range(90)], "odd": np.arange(90) % 2})
    frame.to_csv(tmp_path / "rare.csv", index=False)
    study = (tmp_path / "rare.csv", "--tasks", "kind,odd")
    runs: list[tuple[Any, ...]] = [
        ("train", *study, "--epochs", 1),
        ("compare", *study, "--epochs", 1, "--approach", "equal", "--folds", 2, "--seeds", 2, "--set", "baselines=false"),
    ]
    for number, arguments in enumerate(runs):
        done = command(*arguments, "--output-dir", tmp_path / str(number))
        assert done.code == 0, done.err
        assert sum(line.startswith("Split: ") for line in done.err.splitlines()) == 1, done.err
    refused(command("train", *study, "--set", "shared_depht=1"), "shared_depht")


def test_the_next_step_of_init_is_what_is_needed(tmp_path: Path) -> None:
    """The options that were given belong to it; an order that only the user knows is stated first."""
    sizes = np.array(["low", "mid", "high"], object)
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=ROWS), "size": sizes[np.arange(ROWS) % 3]})
    frame.to_csv(tmp_path / "my table.csv", index=False)
    path, study = tmp_path / "my table.csv", tmp_path / "study.toml"
    ordered, plain = ("--tasks", "size:Ordinal"), ("--tasks", "size")
    (said,) = (line for line in command("init", path, *plain).out.splitlines() if line.startswith("Next: "))
    assert said.startswith(f"Next: mtl-keras tune '{path}' --tasks size, or add -o study.toml")
    (said,) = (line for line in command("init", path, *ordered).out.splitlines() if line.startswith("Next: "))
    assert said.startswith(f"Next: mtl-keras init '{path}' --tasks size:Ordinal -o study.toml, and state the order of size")
    assert command("init", path, *ordered, "-o", study).out.splitlines()[-1] == (
        f"Wrote {study}. Next: state the order of size there, classes = [...] from the lowest to the highest, then: "
        f"mtl-keras tune {study}"
    )
    # As it says.
    text = study.read_text(encoding="utf-8")
    refused(command("train", study), "order")
    study.write_text(text.replace('kind = "Ordinal"', 'kind = "Ordinal"\nclasses = ["low", "mid", "high"]'), encoding="utf-8")
    assert command("train", study, "--epochs", 1).code == 0


def test_a_study_file_next_to_its_table_can_move_with_it(table: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(table.parent, tmp_path / "moved"))
    command("init", moved / "labels.csv", "-o", moved / "study.toml")
    assert read_study_file(moved / "study.toml").table["path"] == "labels.csv"
    again = Path(shutil.move(moved, tmp_path / "again"))
    study = mtl.load_study(again / "study.toml")
    assert len(study.load(study.settings).train) == ROWS - 2 * 9


def test_tune_is_init_and_then_tune(table: Path, tuned: tuple[Path, Done]) -> None:
    folder, done = tuned
    assert done.code == 0, done.err
    assert set(done.answer["test"]) == {"color", "big", "size", "all"}
    assert (folder / "study.toml").is_file()
    kept = read_study_file(folder / "study.toml")
    assert (kept.name, kept.table["path"]) == ("labels", str(table.resolve()))
    assert mtl.load_model(folder).class_names["color"] == ("blue", "red")


def test_the_run_is_evaluated_without_its_table_being_named(tuned: tuple[Path, Done], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tuned[0], tmp_path / "copy"))
    done = command("evaluate", folder, "--json")
    assert done.code == 0, done.err
    expected = values(folder, "multi-task")
    for task in ("color", "big", "size"):
        for metric, value in done.answer["values"][task].items():
            (same,) = {v for key, v in expected.items() if key[2:] == ("best", "validation", task, metric)}
            assert value == pytest.approx(same, abs=1e-6)
    (folder / "study.toml").write_text((folder / "study.toml").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    refused(
        command("evaluate", folder), "The study.toml of a run must be the one that the run wrote", "Copy it to another place"
    )


def test_a_finished_run_is_resumed_by_table_study_file_or_folder(table: Path, tuned: tuple[Path, Done], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tuned[0], tmp_path / "copy"))
    before = (folder / "test_evaluations.jsonl").read_bytes()
    for study in (table, folder, folder / "study.toml"):
        done = command("tune", study, *SMALL, *FAST, "--output-dir", folder, "--resume", "--json")
        assert done.code == 0, done.err
        assert done.answer["test"] == tuned[1].answer["test"]
    assert (folder / "test_evaluations.jsonl").read_bytes() == before


def test_tasks_that_were_named_need_not_be_named_to_resume(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("train", table, *SMALL, "--epochs", 1)
    first = command(*common, "--tasks", "color", "--json")
    assert first.code == 0, first.err
    assert first.answer["output_dir"] == "runs/labels/1"
    again = command(*common, "--resume", "--json")
    assert again.code == 0, again.err
    assert set(again.answer["validation"]) == {"color", "all"} or set(again.answer["validation"]) == {"color"}
    changed = pd.read_csv(table)
    changed.loc[0, "color"] = "red"
    changed.to_csv(tmp_path / "labels.csv", index=False)
    shutil.copytree(table.parent / "photos", tmp_path / "photos")
    # Another table of the same name is another study.
    refused(command("train", tmp_path / "labels.csv", *SMALL, "--epochs", 1, "--tasks", "color", "--resume"), "must have the")


def test_compare_takes_a_table(table: Path, tmp_path: Path) -> None:
    arguments = ("--approach", "equal", "--seeds", 2, "--tasks", "color,big", "--epochs", 1, *SMALL)
    done = command("compare", table, *arguments, "--output-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert set(done.answer["means"]) == {"equal", "single-task", "trivial"}
    assert (tmp_path / "out" / "study.toml").is_file()


def test_rows_of_columns_are_inputs_where_there_are_no_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    age, city = rng.normal(40, 9, 200).round(1), rng.choice(["Rome", "Oslo"], 200)
    frame = pd.DataFrame({"age": age, "city": city, "day": pd.date_range("2024-01-01", periods=200).strftime("%d.%m.%Y")})
    frame["old"], frame["price"] = (age > 40).astype(int), (2 * age + (city == "Rome")).round(2)
    frame.loc[::9, "age"] = np.nan
    frame.to_csv(tmp_path / "people.csv", index=False, sep=";", decimal=",")
    refused(
        command("tune", tmp_path / "people.csv"), "What to predict must be known", "old (boolean), price (number)", "--tasks"
    )
    folder = tmp_path / "out"
    done = command("train", tmp_path / "people.csv", "--tasks", "old,price", "--epochs", 30, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    kept = read_study_file(folder / "study.toml")
    assert kept.inputs["columns"] == {"age": "number", "city": "category", "day": "date"}
    assert kept.table["decimal"] == ","
    assert done.answer["validation"]["price"]["mse"] < 0.5 * frame["price"].var()
    assert command("evaluate", folder).code == 0
    refused(
        command("train", tmp_path / "people.csv", "--tasks", "old", "--image", "city", "--inputs", "age"), "one kind of input"
    )


def test_a_folder_of_images_is_a_study(tmp_path: Path) -> None:
    for row in range(40):
        place = tmp_path / "pets" / ("cat", "dog")[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (90 * (row % 2), row, 0)).save(place / f"{row}.jpg")
    done = command("tune", tmp_path / "pets", *SMALL, *FAST, "--output-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    kept = read_study_file(tmp_path / "out" / "study.toml")
    assert (kept.name, kept.folder["levels"]) == ("pets", ["label"])
    assert kept.tasks == {"label": {"kind": "Classification", "classes": ["cat", "dog"]}}
    assert command("evaluate", tmp_path / "out").code == 0
    (tmp_path / "none").mkdir()
    refused(command("tune", tmp_path / "none"), "A folder of images must have a folder for each class")


def test_a_backbone_is_trained_from_a_block_on_behind_its_cached_output(table: Path, tmp_path: Path) -> None:
    place = ("--cache-dir", tmp_path / "cache")
    cut = ("--set", "backbone=SmallCNN", "--set", 'backbone_options={"filters": [2, 3], "batch_norm": "inference"}')
    arguments = ("tune", table, *cut, *FAST, *place, "--set", "freeze=conv2", "--output-dir", tmp_path / "out", "--json")
    done = command(*arguments)
    assert done.code == 0, done.err
    shapes = {entry.fingerprint["cut"] for entry in mtl.data.cache.entries(tmp_path / "cache")}
    assert len(shapes) == 1
    assert command("evaluate", tmp_path / "out", *place).code == 0
    refused(command("tune", table, *cut, *FAST, *place, "--set", "freeze=conv9"), "Unknown layer or block to train from")


def changed(**columns: Any) -> Callable[[Path], None]:
    """Write the table with other columns; a function gets the old values."""

    def change(path: Path) -> None:
        frame = pd.read_csv(path, dtype={"color": str})
        for name, value in columns.items():
            frame[name] = value(frame) if callable(value) else value
        frame.to_csv(path, index=False)

    return change


def text(function: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(function(path.read_bytes()))

    return change


def in_photos(name: str, content: bytes | None) -> Callable[[Path], None]:
    """Replace or remove a photo."""

    def change(path: Path) -> None:
        photo = path.parent / "photos" / name
        photo.unlink()
        if content is not None:
            photo.write_bytes(content)

    return change


BAD: list[tuple[str, Callable[[Path], None], tuple[object, ...], tuple[str, ...]]] = [
    ("no such column", changed(), ("--tasks", "colour"), ("Unknown column: received 'colour'. Did you mean 'color'?",)),
    ("one value only", changed(color="red"), ("--tasks", "color"), ("can be learnt", "kind constant: one value, 'red'")),
    (
        "a kind that does not fit",
        changed(),
        ("--tasks", "color:Regression"),
        ("Labels of task 'color' must be numbers", "'blue'"),
    ),
    (
        "all labels missing in a split",
        changed(part=["train"] * 40 + ["val"] * 20, color=lambda frame: frame.color.where(frame.index < 40)),
        (),
        ("Each task must have labels in each split. Received: none for 'color'", "in validation (20 rows)"),
    ),
    ("unreadable image", in_photos("p3.png", b"torn"), (), ("must be a readable image", "photos/p3.png in row 3")),
    ("missing image", in_photos("p3.png", None), (), ("must exist. Received: 1 of 60", "photos/p3.png, row 3")),
    (
        "near names",
        changed(),
        ("--image", "photo", "--root", "."),
        ("must exist. Received: 60 of 60", "photos/p0.png lies there: pass root=", "suffix='.png'"),
    ),
    ("empty", text(lambda old: b""), (), ("A table must have content", "which is empty")),
    ("truncated", text(lambda old: old[:-9]), (), ("line 61 has 4", "It seems to be cut off")),
    ("cut in a quotation", text(lambda old: old + b'p1,"re'), (), ("Quotation marks of a table must be closed", "line 62")),
    (
        "not UTF-8",
        text(lambda old: old.replace(b"blue", b"bl\xfc")),
        (),
        ("in its encoding, utf-8", "0xfc in line 2", "cp1252"),
    ),
    (
        "header twice",
        text(lambda old: old + old[: old.index(b"\n") + 1]),
        (),
        ("A table must have one header", "row 60 repeats it"),
    ),
    ("column twice", text(lambda old: old.replace(b"size", b"big", 1)), (), ("names of their own", "'big' as columns 3, 4")),
    ("0 rows", text(lambda old: old[: old.index(b"\n") + 1]), (), ("A table must have rows", "with 0 rows")),
    (
        "path out of root",
        changed(photo=lambda frame: frame.photo.where(frame.index != 5, "../../secret")),
        (),
        ("must lie below the root", "the first ../../secret.png, row 5"),
    ),
    (
        "image on two sides",
        changed(photo=lambda frame: frame.photo.where(frame.index != 5, "p0"), part=["train", "val"] * 30),
        (),
        ("An image must be in one split", "p0.png, row 0 (train), row 5 (validation)"),
    ),
    (
        "numbers in text",
        changed(size=lambda frame: frame["size"].astype(str).where(frame.index != 9, "12 cm")),
        ("--tasks", "size"),
        ("kind text: numbers with texts in between, such as '12 cm'",),
    ),
    (
        "URLs",
        changed(web=[f"https://x.org/{i}.jpg" for i in range(ROWS)]),
        ("--image", "web"),
        ("addresses in column 'web'", "Download"),
    ),
    ("no images", changed(photo=range(ROWS)), (), ("What to predict must be known",)),
]


@pytest.mark.parametrize(("change", "options", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_tables_are_refused_in_one_line(
    change: Callable[[Path], None], options: tuple[object, ...], said: tuple[str, ...], tmp_path: Path
) -> None:
    photos(tmp_path / "own")
    path = tmp_path / "own" / "labels.csv"
    change(path)
    refused(command("tune", path, *SMALL, *options, "--output-dir", tmp_path / "out"), *said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('image = "photo"', 'image = "foto"', ("Unknown column: received 'foto'. Did you mean 'photo'?",)),
        (
            "[tasks.big]",
            "[tasks.bgi]",
            ("Unknown column: received 'bgi'. Did you mean 'big'?", "The table has 'photo', 'color'"),
        ),
        ('kind = "Binary"', 'kind = "Binery"', ("Unknown kind of task: received 'Binery'. Did you mean 'Binary'?",)),
        ('kind = "Binary"', 'kind = "Binary"\nclass = 3', ("Unknown key in [tasks.big]: 'class'",)),
        ("validation = 0.15", "validation = 1.5", ("`validation` of splits must be a number in (0, 1)",)),
        ("validation = 0.15", "valdation = 0.15", ("Unknown key in [splits]: 'valdation'. Did you mean 'validation'?",)),
        ("trials = 10", "trials = 0", ("`trials` must be an integer",)),
        ("trials = 10", "trails = 10", ("Unknown key in [settings]: 'trails'. Did you mean 'trials'?",)),
        ("[settings]", "[space]\nlearning_rte = [1e-4, 1e-3]\n[settings]", ("Unknown key in [space]: 'learning_rte'.",)),
        (
            "[settings]",
            "[space]\nlearning_rate = [1e-2, 1e-3]\n[settings]",
            ("`learning_rate` of the space must be one number",),
        ),
        ('path = "labels.csv"', 'path = "lables.csv"', ("lables.csv, which does not exist. Did you mean 'labels.csv'?",)),
    ],
)
def test_what_is_wrong_with_a_study_file_is_named_by_line(old: str, new: str, said: tuple[str, ...], tmp_path: Path) -> None:
    photos(tmp_path / "own")
    path = tmp_path / "own" / "study.toml"
    assert command("init", tmp_path / "own" / "labels.csv", "-o", path).code == 0
    whole = path.read_text(encoding="utf-8")
    assert old in whole
    path.write_text(whole.replace(old, new, 1), encoding="utf-8")
    done = command("train", path, *SMALL, "--output-dir", tmp_path / "out")
    refused(done, *said)
    if "lables" not in new:
        line = whole[: whole.index(old)].count("\n") + 1
        assert any(f"study.toml, line {number}: " in done.err for number in (line, line + 1)), done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[inputs]", '[inputs]\nweight = "trsut"', "Unknown column: received 'trsut'. Did you mean 'trust'?"),
        ("[inputs]", '[inputs]\nweight = { grade = "trsut" }', "Unknown column: received 'trsut'. Did you mean 'trust'?"),
        ('backbone = "MLP"', 'backbone = "SmallCNN"', "A backbone must suit the inputs. Received: columns as inputs, and"),
        ('age = "number"', 'age = "numeric"', "Unknown kind of input column: received 'numeric'. Did you mean 'number'?"),
        (
            'age = "number"',
            'price = "number"',
            "A column must be an input or a label. Received: 'price' as both, for task 'price'",
        ),
    ],
)
def test_what_is_wrong_with_columns_of_a_study_file_is_named_by_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    whole = people(tmp_path)
    assert old in whole
    (tmp_path / "study.toml").write_text(whole.replace(old, new, 1), encoding="utf-8")
    done = command("train", tmp_path / "study.toml", "--output-dir", tmp_path / "out")
    line = whole[: whole.index(old)].count("\n") + (2 if "weight" in new else 1)
    refused(done, f"study.toml, line {line}: {said}")
    assert not (tmp_path / "out").exists()


def test_an_order_of_texts_is_stated_never_guessed(tmp_path: Path) -> None:
    whole = people(tmp_path)
    (line,) = (line for line in whole.splitlines() if "Ordinal" in line)
    assert line == 'kind = "Ordinal"  # add classes = [...], from the lowest to the highest, of: "high", "low", "mid"'
    assert "\nclasses = " not in whole
    said = "must state the order of texts. Received: none for task 'grade', with high, low, mid."
    options = ("--epochs", 1, "--output-dir", tmp_path / "out")
    refused(command("train", tmp_path / "study.toml", *options), said)
    refused(command("train", tmp_path / "people.csv", "--tasks", "grade:Ordinal", *options), said)
    assert command("check", tmp_path / "study.toml").code == 1
    stated = whole.replace(line, 'kind = "Ordinal"\nclasses = ["low", "mid", "high"]')
    (tmp_path / "study.toml").write_text(stated, encoding="utf-8")
    assert command("train", tmp_path / "study.toml", *options).code == 0


def people(folder: Path) -> str:
    """Write a table and its study file; return the text of this one."""
    age = np.random.default_rng(0).normal(40, 9, 200).round(1)
    frame = pd.DataFrame({"age": age, "trust": age / 100, "price": 2 * age})
    frame["grade"] = np.where(age < 35, "low", np.where(age < 45, "mid", "high"))
    frame.to_csv(folder / "people.csv", index=False)
    tasks = ("--tasks", "grade:Ordinal,price", "--inputs", "age")
    assert command("init", folder / "people.csv", *tasks, "-o", folder / "study.toml").code == 0
    return (folder / "study.toml").read_text(encoding="utf-8")


def test_ranges_of_the_space_are_those_of_the_file(tmp_path: Path) -> None:
    photos(tmp_path / "own")
    path = tmp_path / "own" / "study.toml"
    command("init", tmp_path / "own" / "labels.csv", "-o", path)
    ranges = "\n[space]\nlearning_rate = [0.002, 0.003]\nshared_depth = 1\nhead_depth = [1]\n"
    path.write_text(path.read_text(encoding="utf-8") + ranges, encoding="utf-8")
    done = command("train", path, *SMALL, "--epochs", 1, "--output-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    space = config_of(tmp_path / "out")["space"]
    assert (space["learning_rate"]["min"], space["learning_rate"]["max"]) == (0.002, 0.003)
    assert not {"shared_depth", "big_depth"} & space.keys()


def test_hints_are_for_tables_and_folders_alone(tuned: tuple[Path, Done], tmp_path: Path) -> None:
    for study in ("digits", tuned[0], tuned[0] / "study.toml"):
        done = command("train", study, "--tasks", "parity", "--output-dir", tmp_path / "out")
        refused(done, "tasks must be left out unless the study is a table or a folder of images")


@pytest.mark.real_data
def test_photos_of_clothing_from_the_table_alone(real_data: Path, tmp_path: Path) -> None:
    done = command("tune", real_data / "clothing" / "labels.csv", "--quick", "--output-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert set(done.answer["test"]) == {"label", "kids", "all"}
    assert done.answer["test"]["all"]["skill"] > 0
    assert command("evaluate", tmp_path / "out", "--split", "test").code == 0
