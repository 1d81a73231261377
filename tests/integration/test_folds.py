"""Cross-validation from the command line: `compare` and `reproduce` over folds, and what cannot be divided into them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mtl_keras as mtl
from mtl_keras import report
from mtl_keras.data import trivial_scores
from mtl_keras.errors import MTLError
from mtl_keras.report import statistics
from mtl_keras.runs import Options
from mtl_keras.search import load_study, reproduce_study
from mtl_keras.search._training_data import training_data
from tests.integration._tiny import command, config_of, refused, table

#: 60 images of 30 patients whose pixel is their row; two tasks, and a configuration of either.
PATIENTS = '''"""Images of patients."""
import numpy as np

import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("kind", classes=2), mtl.Binary("odd"))


def load(tasks, data_dir, split_seed, folds=None, fold=0):
    row = np.arange(60)
    columns = {"kind": row // 2 % 2, "odd": row % 2, "patient": row // 2}
    images = np.broadcast_to(row[:, None, None, None], (60, 4, 4, 1)).astype("uint8")
    splits = mtl.data.Splits(test=0.2, validation=0.1, group="patient").at_fold(folds, fold)
    return mtl.data.from_arrays(tasks, (images, columns), splits=splits, seed=split_seed, name="patients")


def plan(context):
    recipe = mtl.Recipe(context.tasks, mtl.Backbone("SmallCNN", filters=(2,)), context.image_shape, mtl.Head(dense=(2,)))
    return mtl.Plan(recipe, (mtl.Phase(epochs=1, batch_size=32),))


STUDY = mtl.Study(
    "patients",
    "Are patients told apart?",
    TASKS,
    load,
    (4, 4, 1),
    lambda hp, context: plan(context),
    configurations={"joint": mtl.search.Configuration("Both at once.", plan)},
)
'''


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "patients.py"
    path.write_text(PATIENTS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def compared(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "compared"
    done = command("compare", patients, "--approach", "equal", "--folds", 5, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    return folder


def rows_of_test(data: mtl.data.Data) -> list[int]:
    assert data.test is not None
    return [int(image[0, 0, 0]) for image in data.test.x]


def test_the_trivial_predictor_is_the_mean_over_folds(tmp_path: Path) -> None:
    """Each fold has its own, of its own training rows."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "price": rng.normal(10, 3, 60).round(2), "size": rng.normal(size=60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    tasks = ("price", "size")
    approach = ("--approach", "equal", "--folds", 3, "--seeds", 3, "--epochs", 1, "--set", "baselines=false")
    done = command("compare", tmp_path / "t.csv", "--tasks", ",".join(tasks), *approach, "--output-dir", tmp_path / "out")
    assert done.code == 0, done.err
    study = load_study(tmp_path / "t.csv", tasks=tasks)
    folds = [study.load(study.settings.change({"split_folds": 3, "split_fold": fold})) for fold in range(3)]
    rows = [row for row in table(tmp_path / "out" / "metrics.csv") if row["role"] == "trivial" and row["task"] in tasks]
    assert len(rows) == 2 * len(tasks) * 2, "each split, task and metric once"
    for row in rows:
        scores = [trivial_scores(fold.train, getattr(fold, row["split"]))[row["task"]][row["metric"]] for fold in folds]
        assert len(set(scores)) == 3
        assert float(row["value"]) == pytest.approx(np.mean(scores)), row


def test_folds_of_a_study(patients: Path) -> None:
    study = load_study(patients)
    folds = [rows_of_test(study.load(study.settings.change({"split_folds": 5, "split_fold": fold}))) for fold in range(5)]
    assert sorted(row for rows in folds for row in rows) == list(range(60))
    assert all({row ^ 1 for row in rows} == set(rows) for rows in folds), "patients stay whole"


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_all_folds_have_the_classes_of_the_first(on_error: str, tmp_path: Path) -> None:
    """A class that only the test rows of a fold have must not stop a comparison after hours."""
    rare = [row < 4 for row in range(60)]
    frame = pd.DataFrame({"x": np.arange(60.0), "kind": np.where(rare, "rare", ["a", "b"] * 30), "group": np.arange(60) // 4})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = '[table]\npath = "t.csv"\non_error = "{}"\n[inputs.columns]\nx = "number"\n[tasks.kind]\nkind = "Classification"\n'
    (tmp_path / "t.toml").write_text(text.format(on_error) + '[splits]\nfolds = 3\ngroup = "group"\n')
    study = load_study(tmp_path / "t.toml")
    tested = [study.load(study.settings.change({"split_fold": fold})) for fold in range(3)] if on_error == "skip" else []
    without = [fold for fold, data in enumerate(tested) if len(data.skipped)]
    for first in range(3):
        load = training_data(study, Options())(study.settings.change({"split_fold": first}))
        if on_error == "raise":
            try:
                load(0)
            except MTLError:
                continue
        classes = [load(number).class_names["kind"] for number in range(3)]
        assert classes == [("a", "b") if first in without else ("a", "b", "rare")] * 3


def test_a_comparison_over_folds_says_so_and_is_corrected(compared: Path) -> None:
    config = config_of(compared)
    assert (config["folds"], config["split_per_seed"], config["seeds"]) == (5, True, 5)
    tests = [
        row for row in table(compared / "metrics.csv") if (row["split"], row["run"], row["task"]) == ("test", "equal", "odd")
    ]
    assert {row["seed"] for row in tests} == {"0", "1", "2", "3", "4"}
    assert {row["n"] for row in tests} == {"12"}
    found = report.read_record(compared)
    # 60 rows: 12 of the fold, 6 for validation, 42 to train on.
    assert found.resplit == pytest.approx(12 / 42)
    gap = found.difference("equal", "single-task", "odd")
    assert gap.interval == pytest.approx(statistics.interval(list(gap.values.values()), 12 / 42))
    page = (compared / "README.md").read_text(encoding="utf-8")
    assert "the folds of a 5-fold cross-validation" in page
    assert "Nadeau and Bengio 2003, ratio of test to training rows 0.286" in page


def test_a_finished_comparison_over_folds_is_resumed(patients: Path, compared: Path) -> None:
    before = (compared / "metrics.csv").read_bytes()
    given = ("--approach", "equal", "--output-dir", compared, "--resume")
    assert command("compare", patients, *given, "--folds", 5).code == 0
    assert (compared / "metrics.csv").read_bytes() == before
    refused(command("compare", patients, *given, "--folds", 4, "--seeds", 4), "folds=4")


def test_a_reproduction_over_folds(patients: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = command("reproduce", patients, "--folds", 2, "--output-dir", folder, "--json")
    assert done.code == 0, done.err
    config = config_of(folder)
    assert (config["folds"], config["split_per_seed"], config["configurations"]["joint"]["seeds"]) == (2, True, 2)
    result = reproduce_study(load_study(patients), {"split_folds": 2}, Options(output_dir=folder, resume=True))
    assert result.resplit == result.record.resplit == pytest.approx(30 / 24)


def test_data_by_training_from_python(tmp_path: Path) -> None:
    tasks = mtl.Tasks(mtl.Binary("odd"), mtl.Binary("half"))
    row = np.arange(40)
    images = np.broadcast_to(row[:, None, None, None], (40, 4, 4, 1)).astype("uint8")

    def load(number: int) -> mtl.data.Data:
        splits = mtl.data.Splits(folds=2, fold=number)
        return mtl.data.from_arrays(tasks, (images, {"odd": row % 2, "half": row // 20}), splits=splits)

    recipe = mtl.Recipe(tasks, mtl.Backbone("SmallCNN", filters=(2,)), (4, 4, 1))
    phases = {"equal": mtl.Phase(epochs=1)}
    result = mtl.compare(recipe, load, phases, seeds=2, baseline=None, output_dir=tmp_path / "run")
    assert result.resplit == result.record.resplit == pytest.approx(20 / 16)
    assert result.difference("equal", "equal", "odd").resplit == result.resplit
    digests = [json.loads((tmp_path / "run/jobs" / f"equal-{fold}/summary.json").read_text())["data"] for fold in (0, 1)]
    assert digests[0] != digests[1]
    with pytest.raises(MTLError, match=r"`data\(0\)` must be a Data. Received: data\(0\)=None. Return"):
        mtl.compare(recipe, lambda number: None, phases, output_dir=tmp_path / "other")  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("compare {study} --folds 5 --seeds 7", "Received: 7 trainings and folds=5. Pass --seeds 5."),
        ("reproduce {study} --folds 5 --seeds 7", "Received: 7 trainings and folds=5. Pass --seeds 5."),
        ("compare {study} --folds 1", "`split_folds` must be an integer in [2, 1000000]. Received: split_folds=1."),
        ("compare {study} --folds 5 --set split_folds=4", "split_folds"),
        ("compare {study} --folds 40", "Each fold must have a group. Received: folds=40, and 30 groups in column 'patient'."),
        ("compare digits --folds 5", "Received: folds=5 for study 'digits', whose data 'digits' has splits of its own."),
        ("reproduce landmarks --folds 5", "Received: folds=5 for study 'landmarks', whose"),
        (
            "train {study} --set split_folds=5 --set split_fold=5",
            "`split_fold` must be an integer in [0, 4]. Received: split_fold=5.",
        ),
    ],
)
def test_what_has_no_folds_is_refused(arguments: str, said: str, patients: Path, tmp_path: Path) -> None:
    done = command(*arguments.format(study=patients).split(), "--output-dir", tmp_path / "run")
    refused(done, said)
    assert not (tmp_path / "run").exists()


def test_a_function_that_takes_no_folds_is_refused(noise: Path, tmp_path: Path) -> None:
    done = command("compare", noise, "--folds", 5, "--output-dir", tmp_path / "run")
    refused(done, "must be a function (tasks, data_dir, split_seed, folds, fold)", "whose function takes none. Let it pass")


CLINIC = """name = "clinic"

[table]
path = "clinic.csv"

[inputs.columns]
age = "number"
city = "category"

[tasks.sick]
kind = "Binary"

[tasks.old]
kind = "Binary"

[splits]
{splits}

[settings]
backbone = "MLP"
epochs = 1
"""


def clinic(folder: Path, splits: str) -> Path:
    """Write a table of 60 visits of 30 patients, each of a city of its own, and its study file."""
    lines = [f"{20 + row},c{row // 2},p{row // 2},{row % 2},{row // 30},2026-01-{row // 2 + 1:02}" for row in range(60)]
    (folder / "clinic.csv").write_text("\n".join(["age,city,patient,sick,old,date", *lines]), encoding="utf-8")
    path = folder / "clinic.toml"
    path.write_text(CLINIC.format(splits=splits), encoding="utf-8")
    return path


@pytest.mark.parametrize("folds", [("--folds", 2), ()], ids=["option", "file"])
def test_a_table_is_cross_validated(folds: tuple[object, ...], tmp_path: Path) -> None:
    """Each fold encodes its rows by its own training rows: all cities of the test rows are unknown."""
    path = clinic(tmp_path, 'group = "patient"' + ("\ntest = 0.2" if folds else "\nfolds = 2"))
    given = ("compare", path, "--approach", "equal", *folds, "--output-dir", tmp_path / "run")
    done = command(*given)
    assert done.code == 0, done.err
    assert (config_of(tmp_path / "run")["folds"], config_of(tmp_path / "run")["seeds"]) == (2, 2)
    study = load_study(path)
    rows = []
    for fold in range(2):
        data = study.load(study.settings.change({"split_folds": 2, "split_fold": fold}))
        assert data.test is not None
        # The first column is the age, which tells the row.
        rows.append([round(float(x[0])) - 20 for x in data.test.x])
        digests = json.loads((tmp_path / f"run/jobs/equal-{fold}/summary.json").read_text(encoding="utf-8"))["data"]
        assert digests == data.digests()
    assert sorted(row for fold in rows for row in fold) == list(range(60))
    assert all({row ^ 1 for row in fold} == set(fold) for fold in rows)
    assert command(*given, "--resume").code == 0


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ('time = "date"', "`time` and `folds` of splits must not be given together: all but the last fold would be tested on"),
        ('column = "part"', "`folds` and `column` of splits must not be given together"),
    ],
)
def test_splits_without_folds_are_refused(splits: str, said: str, tmp_path: Path) -> None:
    done = command("compare", clinic(tmp_path, splits), "--folds", 3, "--output-dir", tmp_path / "run")
    refused(done, said)
    assert not (tmp_path / "run").exists()


def test_folds_are_given_once_in_a_study_file(tmp_path: Path) -> None:
    path = clinic(tmp_path, "folds = 3")
    path.write_text(path.read_text(encoding="utf-8") + "split_folds = 4\n", encoding="utf-8")
    said = "line 22: Folds must be given once. Received: split_folds=4 here and folds=3 in [splits]."
    refused(command("compare", path, "--output-dir", tmp_path / "run"), said)
