"""The study of yeast genes: where its table is found, which labels it removes, and what its record says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.report import Record
from tests._approaches import row
from tests._yeast import write_yeast
from tuning import yeast


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_yeast(tmp_path_factory.mktemp("table"))


def load(folder: Path, **changes: object) -> mtl.data.Data:
    return yeast.STUDY.load(yeast.STUDY.settings.change(changes), folder)


def test_labels_are_removed_of_training_rows_alone_and_for_each_task_by_itself(folder: Path) -> None:
    whole, half = load(folder), load(folder, removed=0.5)
    assert np.array_equal(half.train.x, whole.train.x)
    kept = np.stack([half.train.weight[name] for name in yeast.TASKS])
    assert set(np.unique(kept)) == {0, 1}
    assert kept.mean() == pytest.approx(0.5, abs=0.05)
    assert abs(np.corrcoef(kept) - np.eye(14)).max() < 0.5
    assert half.test is not None
    for split in (half.validation, half.test):
        assert all((weight == 1).all() for weight in split.weight.values())


def test_the_same_labels_are_removed_again_and_others_in_another_fold(folder: Path) -> None:
    def kept(fold: int) -> np.ndarray:
        return load(folder, removed=0.5, split_fold=fold).train.weight["Class1"]

    assert np.array_equal(kept(0), kept(0))
    n = min(len(kept(0)), len(kept(1)))
    assert not np.array_equal(kept(0)[:n], kept(1)[:n])


def test_a_table_that_is_not_there_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    with pytest.raises(MTLError, match=r"must be in the data folder or in the package river. Received: data_dir="):
        yeast.find_table(str(tmp_path))


@pytest.mark.parametrize("removed", [-0.1, 1, "half"])
def test_a_share_of_labels_is_below_one(removed: object) -> None:
    with pytest.raises(MTLError, match="`removed` must be"):
        yeast.STUDY.settings.change({"removed": removed})


FULL, HALF = [0.01, 0.02, 0.03, 0.02, 0.01], [-0.03, -0.02, -0.04, -0.03, -0.02]


def record(full: Sequence[float] = FULL, half: Sequence[float] = HALF) -> Record:
    """The network for all differs as given from those of one label, and by 0.1 less from gradient boosting."""
    rows = []
    for run, gains in (("full", full), ("half", half)):
        for seed, gain in enumerate(gains):
            for task in yeast.TASKS:
                for metric in ("auc", "macro_f1"):
                    rows += [
                        row(run, seed, task, metric, 0.7 + gain),
                        row(f"{run} single-task", seed, task, metric, 0.7),
                        {**row(f"{run} single-task gradient boosting", seed, task, metric, 0.8), "role": "single_task"},
                    ]
    return yeast.STUDY.complete(Record("Yeast", "Question?", "command", {"folds": 5, "split_per_seed": True}, {}, rows))


def test_the_finding_says_losses_as_gains_with_intervals_and_corrected_p() -> None:
    finding = record().finding
    assert "the mean AUC by +1.8 [" in finding
    assert "and -2.8 [" in finding
    assert "better than networks of one label by AUC with all labels at the best epoch" in finding
    assert "worse than networks of one label by AUC with half of them removed at the best epoch" in finding
    assert "scikit-learn's gradient boosting" in finding
    assert "scikit-learn's MLP" not in finding, "the record has no rows of it"
    assert "over 5 folds; p by Holm's correction for 8 tests" in finding


def test_a_finding_without_a_difference_says_so_and_has_both_epochs() -> None:
    gains = [0.01, -0.02, 0.03, -0.03, 0.01]
    plain = record(gains, gains)
    last: list[Any] = [{**each, "epoch_kind": "last"} for each in plain.metrics if "boosting" not in each["run"]]
    rows = [each for each in plain.metrics if "boosting" not in each["run"]]
    finding = yeast.STUDY.complete(replace(plain, metrics=[*rows, *last])).finding
    assert finding.count("(last epoch +0.0 [") == 4
    assert finding.endswith("p by Holm's correction for 8 tests): no difference is shown.")


def test_few_seeds_have_no_intervals() -> None:
    assert "p = " not in record(FULL[:2], HALF[:2]).finding


def test_the_tables_have_each_model_and_each_label() -> None:
    means, labels = (table.markdown for table in record().tables)
    assert means.count("0.700 ± 0.000 (5 seeds)") == 4
    assert means.count("0.718 ± 0.008 (5 seeds)") == 2
    assert means.count("gradient boosting") == 2
    assert [name in labels for name in yeast.TASKS] == [True] * 14
    assert "half: − gradient boosting" in labels
