"""The check of a table or folder through the command line, and bad rows that are set aside on request."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mtl_keras as mtl
from mtl_keras.data import from_table, survey_table
from mtl_keras.errors import MTLError
from mtl_keras.inspection import inspect_table
from mtl_keras.tables import read_study_file
from tests._photos import COPIES, photo
from tests.integration._tiny import Done, command, config_of, refused, table

#: Photos, of which one is truncated, one has text in it, one is not there, and one is a copy of another with another label.
ROWS, TRUNCATED, TEXT, GONE, COPY = 80, 8, 12, 16, 20
BAD = (TRUNCATED, TEXT, GONE)
SMALL = ("--set", "backbone=SmallCNN", "--set", "freeze=false", "--set", 'backbone_options={"filters": [2]}')
FAST = ("--epochs", 1, "--set", "baselines=false", "--json")


def write(folder: Path, *, bad: bool) -> Path:
    """Write photos and their table."""
    (folder / "photos").mkdir(parents=True)
    rows = []
    for row in range(ROWS):
        path = folder / "photos" / f"p{row}.jpg"
        photo(row, (60, 48)).save(path, quality=90)
        rows.append({"file": path.name, "kind": ("dress", "shirt")[row % 2], "kids": row // 2 % 2})
    rows[COPY]["kind"] = "shirt"
    COPIES["recompressed"](photo(1, (60, 48))).save(folder / "photos" / f"p{COPY}.jpg")
    rows[1]["kind"] = "dress"
    if bad:
        whole = (folder / "photos" / f"p{TRUNCATED}.jpg").read_bytes()
        (folder / "photos" / f"p{TRUNCATED}.jpg").write_bytes(whole[: len(whole) // 2])
        (folder / "photos" / f"p{TEXT}.jpg").write_text("text", encoding="utf-8")
        (folder / "photos" / f"p{GONE}.jpg").unlink()
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("good") / "shop", bad=False)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bad") / "shop", bad=True)


@pytest.fixture(scope="module")
def trained(bad: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    return folder, command("train", bad, "--skip-bad", *SMALL, *FAST, "--output-dir", folder)


# --- check ------------------------------------------------------------------------------------------------------------


def test_warnings_do_not_stop_training(good: Path, tmp_path: Path) -> None:
    done = command("check", good, "--html", tmp_path / "check.html", "--json")
    assert done.code == 0, done.err
    answer = done.answer
    assert (answer["name"], answer["rows"], answer["trainable"], answer["html"]) == (
        "labels",
        ROWS,
        True,
        str(tmp_path / "check.html"),
    )
    (copies,) = (f for f in answer["findings"] if f["check"] == "near_duplicates" and f["subject"] == "kind")
    assert (copies["severity"], copies["rows"]) == ("warning", [1, COPY])
    assert {"Rows", "Labels", "Images"} <= {counts["title"] for counts in answer["counts"]}
    assert (tmp_path / "check.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_what_stops_training_is_exit_code_1(bad: Path) -> None:
    done = command("check", bad)
    assert done.code == 1
    for words in ("Training would stop", "error", "Findings", "Rows"):
        assert words in done.out
    answer = command("check", bad, "--json").answer
    # A narrow terminal breaks the names of files.
    said = json.dumps(answer["findings"])
    for words in ("p16.jpg", "p8.jpg", "image file is truncated"):
        assert words in said
    errors = {f["check"]: f["rows"] for f in answer["findings"] if f["severity"] == "error"}
    assert errors == {"refused": [GONE], "files": [TRUNCATED, TEXT]}
    assert not answer["trainable"]
    # The same as training says.
    refused(command("train", bad, *SMALL, *FAST), "Every image of the table must exist", "p12.jpg in row 12")


def test_the_check_is_of_the_splits_of_the_study(good: Path, tmp_path: Path) -> None:
    assert command("init", good, "-o", tmp_path / "study.toml").code == 0
    path = tmp_path / "study.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("validation = 0.15", "validation = 0.5"), encoding="utf-8")
    answer = command("check", path, "--json").answer
    (rows,) = (counts["rows"] for counts in answer["counts"] if counts["title"] == "Rows")
    data = mtl.load_study(path).load(mtl.load_study(path).settings)
    assert {row["split"]: row["rows"] for row in rows} == {
        "train": len(data.train),
        "validation": len(data.validation),
        "test": len(data.test or ()),
        "total": ROWS,
    }


def test_a_folder_is_checked(good: Path, tmp_path: Path) -> None:
    for row in range(40):
        folder = tmp_path / "clothes" / ("dress", "shirt")[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        photo(row, (40, 40)).save(folder / f"{row}.png")
    (tmp_path / "clothes" / "dress" / "0.png").write_bytes(b"")
    done = command("check", tmp_path / "clothes", "--json")
    assert done.code == 1
    (error,) = (finding for finding in done.answer["findings"] if finding["severity"] == "error")
    assert (error["rows"], "dress/0.png in row 0: it is empty" in error["message"]) == ([0], True)


def test_what_would_be_set_aside_is_shown_with_its_cost(bad: Path) -> None:
    """The rest is checked as it would be trained on, and the exit code is that of the rest."""
    done = command("check", bad, "--skip-bad", "--json")
    assert done.code == 0, done.err
    answer = done.answer
    assert (answer["rows"], answer["trainable"]) == (ROWS - len(BAD), True)
    (aside,) = (finding for finding in answer["findings"] if finding["check"] == "set_aside")
    assert (aside["severity"], aside["subject"]) == ("warning", "file")
    for words in ("Set aside 3 of 80 rows (3 for 'file')", "Cost by class of 'kind': 3 of 40 dress (7.5%)", "rows 8, 12, 16"):
        assert words in aside["message"]
    # The same as training does.
    data = mtl.load_study(bad, skip_bad=True)
    rows = data.load(data.settings)
    (counted,) = (counts["rows"] for counts in answer["counts"] if counts["title"] == "Rows")
    assert {row["split"]: row["rows"] for row in counted if row["split"] in ("train", "validation")} == {
        "train": len(rows.train),
        "validation": len(rows.validation),
    }


def test_what_is_left_may_still_stop_training(bad: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(bad)
    frame["price"] = [1.5, 2.5] + [np.nan] * (ROWS - 2)
    frame.to_csv(bad.parent / "price.csv", index=False)
    done = command("check", bad.parent / "price.csv", "--skip-bad", "--tasks", "kind,price:Regression", "--json")
    assert done.code == 1
    (error,) = (finding["message"] for finding in done.answer["findings"] if "must have labels" in finding["message"])
    refused(
        command("train", bad.parent / "price.csv", "--skip-bad", "--tasks", "kind,price:Regression", *SMALL, *FAST), error[:60]
    )


def test_a_run_is_checked_as_it_was_read(trained: tuple[Path, Done], tmp_path: Path) -> None:
    """By the study file that it keeps: with its tasks, splits and rows that were set aside."""
    folder, _ = trained
    done = command("check", folder, "--json")
    assert done.code == 0, done.err
    assert (done.answer["name"], done.answer["rows"]) == ("labels", ROWS - len(BAD))
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "study.toml").write_text((copy / "study.toml").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    refused(command("check", copy), "The study.toml of a run must be the one that the run wrote")
    (copy / "study.toml").unlink()
    refused(command("check", copy), "must keep a study.toml")
    refused(command("check", folder, "--tasks", "kind"), "tasks must be left out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], ["mtl-keras check must have the argument STUDY"]),
        (["check", "{table}", "--image", "fil"], ["Unknown column: received 'fil'. Did you mean 'file'"]),
        (["check", "{table}", "--tasks", "knd"], ["Unknown column: received 'knd'. Did you mean 'kind'"]),
        (["check", "{table}", "--html", "{tmp}"], ["--html must be a file", "which is a folder"]),
        (["check", "{table}", "--html", "{table}/a.html"], ["`html` must be a folder that can be written", "is no folder"]),
        (["check", "digits"], ["must be given a table, a folder of images or a study file", "digits"]),
        (["check", "{tmp}/none.csv"], ["none.csv"]),
        (["train", "digits", "--skip-bad"], ["skip_bad must be left out", "digits"]),
    ],
)
def test_unusable_arguments_are_exit_code_2(arguments: list[str], said: list[str], good: Path, tmp_path: Path) -> None:
    filled = [argument.format(table=good, tmp=tmp_path) for argument in arguments]
    refused(command(*filled), *said)


# --- set aside --------------------------------------------------------------------------------------------------------


def test_bad_rows_are_set_aside_and_listed(trained: tuple[Path, Done]) -> None:
    folder, done = trained
    assert done.code == 0, done.err
    listed = table(folder / "skipped.csv")
    assert [(int(row["row"]), row["column"]) for row in listed] == [(row, "file") for row in BAD]
    assert [row["reason"][:20] for row in listed] == ["image file is trunca", "its content is of an", "no such file"]
    (said,) = (line for line in done.err.splitlines() if line.startswith("Set aside"))
    assert said.startswith("Set aside 3 of 80 rows (3 for 'file'), the first row 8: image file is truncated")
    assert "Cost by class of 'kind': 3 of 40 dress (7.5%)." in said
    rows = config_of(folder)["data"]
    assert read_study_file(folder / "study.toml").table["on_error"] == "skip"
    assert rows


def test_a_run_that_set_rows_aside_is_resumed_and_evaluated(trained: tuple[Path, Done], bad: Path) -> None:
    folder, _ = trained
    for arguments in (["train", bad, *SMALL, *FAST], ["train", bad, "--skip-bad", *SMALL, *FAST]):
        again = command(*arguments, "--output-dir", folder, "--resume")
        assert again.code == 0, again.err
    assert command("evaluate", folder, "--json").code == 0
    # A run of all rows is another one.
    refused(command("evaluate", folder, "--split", "tset"), "Unknown value of --split")


def test_from_python_the_default_is_one_error_that_lists_all(bad: Path) -> None:
    tasks = mtl.Tasks(mtl.Classification("kind", classes=2), mtl.Binary("kids"))
    options: dict[str, Any] = {"image": "file", "root": bad.parent / "photos", "image_size": 16}
    with pytest.raises(MTLError, match=r"2 kinds of problems: .*p16\.jpg, row 16.*p12\.jpg in row 12"):
        from_table(bad, tasks, **options)
    data = from_table(bad, tasks, on_error="skip", **options)
    assert [each.row for each in data.skipped] == list(BAD)
    assert len(data.train) + len(data.validation) == ROWS - len(BAD)
    assert data.only("kids").skipped == data.skipped
    with pytest.raises(MTLError, match="`on_error` must be one of"):
        from_table(bad, tasks, on_error="drop", **options)  # type: ignore[arg-type]


def test_values_that_are_no_numbers_and_unknown_splits_are_set_aside() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "y": rng.integers(0, 2, 60)}).astype(object)
    frame["part"] = ["train", "train", "val"] * 20
    frame.loc[4, "a"], frame.loc[5, "b"], frame.loc[7, "part"], frame.loc[9, "y"] = "n.a.", np.inf, "tarin", "maybe"
    options: dict[str, Any] = {"inputs": {"a": "number", "b": "number"}, "splits": "part"}
    tasks = mtl.Tasks(mtl.Binary("y"))
    survey = survey_table(frame, tasks, **options)
    assert survey.errors
    report = inspect_table(frame, tasks, **options)
    assert not report.trainable
    data = from_table(frame, tasks, on_error="skip", **options)
    assert {each.row: each.column for each in data.skipped} == {4: "a", 5: "b", 7: "part", 9: "y"}


def test_a_class_without_a_training_row_is_set_aside() -> None:
    frame = pd.DataFrame({"a": np.arange(40.0), "kind": ["x", "y"] * 20, "part": ["train"] * 30 + ["val"] * 10})
    frame.loc[[33, 36], "kind"] = "z"
    options: dict[str, Any] = {"inputs": {"a": "number"}, "splits": "part"}
    tasks = mtl.Tasks(mtl.Classification("kind"))
    with pytest.raises(MTLError, match=r"Every class must occur in training rows\. Received: 'z' of task 'kind' in 2 val"):
        from_table(frame, tasks, **options)
    report = inspect_table(frame, tasks, **options)
    assert [each.rows for each in report.findings if each.severity == "error"] == [(33, 36)]
    data = from_table(frame, tasks, on_error="skip", **options)
    assert [(each.row, each.column) for each in data.skipped] == [(33, "kind"), (36, "kind")]
    assert data.class_names == {"kind": ("x", "y")}


def test_a_study_file_says_whether_bad_rows_are_set_aside(bad: Path, tmp_path: Path) -> None:
    assert command("init", bad, "-o", tmp_path / "study.toml").code == 0
    text = (tmp_path / "study.toml").read_text(encoding="utf-8")
    path = tmp_path / "skipping.toml"
    path.write_text(text.replace("[inputs]", 'on_error = "skip"\n\n[inputs]', 1), encoding="utf-8")
    study = mtl.load_study(path)
    assert len(study.load(study.settings).skipped) == len(BAD)
    assert mtl.load_study(tmp_path / "study.toml", skip_bad=True).study_file == study.study_file
    path.write_text(text.replace("[inputs]", 'on_error = "skp"\n\n[inputs]', 1), encoding="utf-8")
    with pytest.raises(MTLError, match=r"skipping\.toml, line \d+: `on_error` must be one of 'raise', 'skip'"):
        mtl.load_study(path)


def test_a_check_refuses_weights_of_unknown_classes() -> None:
    frame = pd.DataFrame({"x": np.arange(200.0), "kind": ["a", "b"] * 100, "marks": ["red|wool", "red"] * 100})
    for task in (mtl.Classification("kind", class_weight={"c": 2.0}), mtl.MultiLabel("marks", class_weight={"silk": 2.0})):
        (error,) = (
            each for each in inspect_table(frame, mtl.Tasks(task), inputs={"x": "number"}).findings if each.severity == "error"
        )
        with pytest.raises(MTLError) as error_of_training:
            mtl.data.from_table(frame, mtl.Tasks(task), inputs={"x": "number"})
        assert error.message == str(error_of_training.value)
        assert "Unknown class in class_weight" in error.message


def test_a_check_says_what_training_refuses_of_every_kind_of_task() -> None:
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "kind": rng.choice(["a", "b", "c"], n),
            "odd": rng.integers(0, 2, n),
            "grade": rng.integers(0, 4, n),
            "price": rng.normal(size=n),
            "marks": [[int(a), int(b)] for a, b in rng.integers(0, 2, (n, 2))],
        }
    )
    tasks = mtl.Tasks(
        mtl.Classification("kind", classes=3),
        mtl.Binary("odd"),
        mtl.Ordinal("grade", classes=4),
        mtl.Regression("price"),
        mtl.MultiLabel("marks", classes=2),
    )
    report = inspect_table(frame, tasks, inputs={"x": "number"})
    assert report.trainable, report.table()
    labels = next(counts for counts in report.counts if counts.title == "Labels")
    assert [row[0] for row in labels.rows] == ["kind", "odd", "grade", "price", "marks: 0", "marks: 1"]
    classes = {counts.title: [row[0] for row in counts.rows] for counts in report.counts}
    assert sorted(classes["Classes of kind"]) == ["a", "b", "c"]
    wrong = frame.assign(grade=frame["grade"].where(frame.index != 3, 9))
    (error,) = (each for each in inspect_table(wrong, tasks, inputs={"x": "number"}).findings if each.severity == "error")
    assert "must be integers from 0 to 3" in error.message
    assert error.subject in ("grade", "table")


def test_lists_and_mixed_values_of_a_json_table_are_checked() -> None:
    lists, mixed = [["a"], ["a", "b"], []] * 20, ["a", 1, None, True] * 15
    frame = pd.DataFrame({"x": range(60), "lists": lists, "same": [["a"]] * 60, "mixed": mixed, "y": [0, 1] * 30})
    kinds = {"x": "number", "lists": "category", "same": "category", "mixed": "category"}
    report = inspect_table(frame, mtl.Tasks(mtl.Binary("y")), inputs=kinds)
    assert [each.subject for each in report.findings if each.check == "constant_columns"] == ["same"]
