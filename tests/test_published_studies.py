"""What studies 000, 002 and 003 say of the published ones and of themselves: budgets, learning rates, sizes, corrections."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mtl_keras as mtl
from mtl_keras.search import resolve
from tests._approaches import row
from tuning import _cifar10_reconstruction_claims as experiments_claims
from tuning import _cifar10_reconstruction_tables as experiments_tables
from tuning import _cifar100_claims as cifar100_claims
from tuning import _seen as seen
from tuning import cifar10_reconstruction as experiments
from tuning import cifar100, landmarks, landmarks_tries
from tuning._cifar10_reconstruction_published import PARAMETERS

RESULTS = Path(__file__).parent.parent / "results"


def record(values: Mapping[tuple[str, str, str], Sequence[float]], history: Sequence[Any] = (), **fields: Any) -> Any:
    """Test values by run, task and metric, one for each seed; the last epoch is the best one."""
    rows = [
        row(run, seed, task, metric, value, kind)
        for (run, task, metric), by_seed in values.items()
        for seed, value in enumerate(by_seed)
        for kind in ("best", "last")
    ]
    return mtl.report.Record("Study", "Question?", "command", fields.pop("config", {}), {}, rows, history, **fields)


def logs(run: str, seed: int = 0, phase: int = 0, **last: float) -> list[Any]:
    """Two epochs of history rows; the first epoch has 9 everywhere."""
    epochs = [{"phase": phase, "epoch": epoch, **(dict.fromkeys(last, 9.0) if epoch == 1 else last)} for epoch in (1, 2)]
    return mtl.report.history_rows(epochs, ["class", "animal", "image", "fine", "coarse"], run=run, seed=seed)


def cells(table: mtl.report.Table) -> list[dict[str, str]]:
    head, _, *lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.markdown.splitlines()]
    return [dict(zip(head, line, strict=True)) for line in lines]


# --- values in words --------------------------------------------------------------------------------------------------


def test_few_values_are_all_shown() -> None:
    assert seen.format_values([0.5, 0.75]) == "0.625 (0.500, 0.750)"
    assert seen.format_values([0.5]) == "0.500 (1 seed)"
    assert seen.format_values([0.1, 0.2, 0.3, 0.4, 0.5], ".2f") == "0.30 ± 0.16 (5 seeds)"
    assert seen.format_values([]) == "–"


def test_the_end_of_training_is_the_last_epoch_of_the_last_phase() -> None:
    history = [*logs("a", 0, 1, loss=3.0), *logs("a", 0, 0, loss=1.0), *logs("a", 1, 1, loss=5.0), *logs("b", 0, 2, loss=7.0)]
    whole = record({("a", "class", "accuracy"): [0.5, 0.5]}, history)
    assert seen.at_end(whole, "a", "all") == {0: 3.0, 1: 5.0}
    assert seen.at_end(whole, "a", "all", first=True) == {0: 9.0, 1: 9.0}
    assert seen.at_end(whole, "a", "class") == {}


# --- study 000 --------------------------------------------------------------------------------------------------------

FINE = {run: 0.1 * number for number, run in enumerate(cifar100.CONFIGURATIONS, 1)}


def fine_and_coarse(seeds: int = 3) -> Any:
    values = {
        (run, task, "accuracy"): [FINE[run] + less] * seeds for run in FINE for task, less in (("fine", 0), ("coarse", 0.01))
    }
    budgets = [mtl.report.Budget(run, ("fine", "coarse"), 45_000, 15) for run in FINE]
    return record(values, logs("initial", loss=1.0, fine_accuracy=0.75, coarse_accuracy=0.5), budgets=budgets)


def test_each_accuracy_stands_with_its_learning_rate() -> None:
    said = cifar100_claims.finding(fine_and_coarse())
    assert f"bare heads reach {FINE['lite0_before_as_written']:.3f} (1e-4)" in said
    assert f"enhanced ones {FINE['lite0_enhanced_as_written']:.3f} (1e-5)" in said
    assert said.index("1e-3") < said.index(f"{FINE['lite0_enhanced_as_run']:.3f}") < said.index("1e-4")
    assert said.endswith("(3 seeds, indicative).")
    rates = cifar100_claims.claims(fine_and_coarse())[1]["verdict"]
    assert re.search(r"At 1e-4 the bare heads reach fine 0\.500 \(0\.500, 0\.500, 0\.500\)", rates)
    assert re.search(r"at 1e-5 the enhanced heads reach fine 0\.700", rates)


def test_published_accuracies_stand_next_to_ours_with_their_budgets() -> None:
    published, own, *_ = cells(cifar100_claims.tables(fine_and_coarse())[0])
    budget = ("training images", "epochs", "runs", "train, last epoch")
    assert [published[name] for name in budget] == ["50,000", "20", "1", "0.9161 / 0.9295"]
    assert [own[name] for name in budget] == ["45,000", "15", "3", "0.7500 / 0.5000"]
    assert (published["test, last epoch"], published["test, best epoch"]) == ("0.2679 / 0.3864", "–")
    assert own["test, best epoch"] == "0.1000 / 0.1100"


@pytest.mark.parametrize("study", [cifar100, experiments, landmarks], ids=lambda study: study.STUDY.name)
def test_published_values_have_a_budget(study: Any) -> None:
    notes = {row["note"] for each in study.CONFIGURATIONS.values() for row in each.published if row not in landmarks.NOTEBOOK}
    assert notes
    for note in notes:
        assert re.search(r"one run", note)
        assert re.search(r"\d training\b", note)


# --- study 002 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp3", "exp4", "exp5"])
def test_the_sizes_that_claims_name_are_those_of_the_networks(name: str) -> None:
    model = mtl.build_model(resolve(experiments.STUDY, {}, configuration=name).plan.recipe)
    assert model.count_params() == PARAMETERS[name]
    if name == "exp4":
        around = [layer.count_params() for layer in model.layers if layer.name in ("image_latent", "image_start")]
        assert len(around) == 2
        assert sum(around) > 0.9 * model.count_params()


def test_all_experiments_with_the_network_of_the_third_have_its_size() -> None:
    def network(name: str) -> Any:
        recipe = resolve(experiments.STUDY, {}, configuration=name).plan.recipe
        heads = {task: replace(head, dropout=0.0) for task, head in recipe.heads.items()}
        return replace(recipe, heads=heads, backbone=recipe.backbone.replace(dropout=0.0, dropout_at="each"))

    same = [name for name, size in PARAMETERS.items() if size == PARAMETERS["exp3"]]
    assert len(same) == 6
    assert all(network(name).config() == network("exp3").config() for name in same)


def test_the_size_of_the_searched_network_is_in_the_docstring() -> None:
    model = mtl.build_model(resolve(experiments.STUDY, {}).plan.recipe)
    assert f"{model.count_params():,} parameters" in str(experiments.__doc__)


def test_totals_stand_next_to_the_published_ones_of_the_same_weights() -> None:
    history = [*logs("exp1", 0, loss=1.0, val_loss=2.0), *logs("exp1", 1, loss=2.0, val_loss=2.5)]
    table = experiments_tables.totals_table(record({("exp1", "class", "accuracy"): [0.5, 0.6]}, history))
    (line,) = cells(table)
    assert (line["published train"], line["published test"]) == ("0.2414", "2.3439")
    assert (line["train here"], line["validation here"], line["epochs here"]) == ("1.5000", "2.2500", "2")
    assert "cannot be compared" in table.caption


def test_each_experiment_has_a_picture_of_its_curves() -> None:
    runs = ("exp1", "exp2")
    history = [each for run in runs for each in logs(run, loss=1.0, class_loss=1.0, val_class_loss=2.0)]
    first, *curves = experiments_tables.plots(record({(run, "class", "accuracy"): [0.5] for run in runs}, history))
    assert (first.name, first.draw) == ("approaches.png", None)
    assert [each.name for each in curves] == ["curves_exp1.png", "curves_exp2.png"]
    for each in curves:
        assert each.draw is not None
        labels = {str(line.get_label()) for axes in each.draw().axes for line in axes.lines}
        assert {label for label in labels if "train" in label}
        assert {label for label in labels if "validation" in label}


def test_a_comparison_of_networks_of_different_sizes_says_so() -> None:
    runs = ("exp1", "exp2", "exp3", "exp4", "exp5", "uncertainty", "dwa", "geometric_mean")
    values = {
        (run, task, "mse" if task == "image" else "accuracy"): [0.5] for run in runs for task in ("class", "animal", "image")
    }
    whole = record({**values, ("exp5", "coin", "accuracy"): [0.5]})
    for text in (
        experiments_claims.finding(whole),
        next(each["verdict"] for each in experiments_claims.claims(whole) if "onvolutions" in each["claim"]),
    ):
        assert "571,630" in text
        assert "74,766" in text
        assert "indicative" in text


# --- study 003 --------------------------------------------------------------------------------------------------------


def ten_splits() -> Any:
    values = {}
    for number, run in enumerate(landmarks.CONFIGURATIONS):
        for task in landmarks.STUDY.tasks:
            values[run, task, "macro_f1"] = [0.5 + 0.02 * number + 0.01 * ((seed * (number + 3)) % 7) for seed in range(10)]
    budgets = [mtl.report.Budget(run, ("landmark", "category"), 160, 50) for run in landmarks.CONFIGURATIONS]
    return record(values, config={"split_per_seed": True}, budgets=budgets)


def test_claims_are_tested_together_and_corrected_for_splits_that_share_photos() -> None:
    whole = ten_splits()
    assert whole.resplit == pytest.approx(0.25)
    tested = [pair for pairs in landmarks.CLAIMS.values() for pair in pairs]
    said = [row["verdict"] for row in landmarks.claims(whole)]
    assert sum(f"for {len(tested)} tests =" in each for each in said) == len(tested)
    low, high = whole.difference(*tested[0]).interval
    assert f"95 % interval {low:+.3g} to {high:+.3g}" in said[0]
    plain = replace(whole, budgets=())
    assert landmarks.claims(plain)[0]["verdict"] != said[0]


def test_tries_are_tested_together_each_against_its_own_reference() -> None:
    runs = landmarks_tries.CONFIGURATIONS
    values = {(run, "landmark", "macro_f1"): [0.5 + 0.01 * n * seed for seed in range(5)] for n, run in enumerate(runs)}
    said = " ".join(row["verdict"] for row in landmarks_tries.claims(record(values)))
    assert said.count("for 6 tests =") == 6
    assert ". (" not in said
    assert "trained_96px" in said
    assert "and frozen_96px" in said or "than frozen_96px" in said


def test_the_first_evaluation_of_the_toolkits_own_model_is_that_of_its_record() -> None:
    first = mtl.report.read_record(RESULTS / "landmarks/2026-11-24", history=False)
    for task, value in landmarks.FIRST_OWN.items():
        assert round(first.mean("own", task, "macro_f1"), 3) == value
        assert str(value) in landmarks.CONFIGURATIONS["own"].summary
    assert "training loss" in landmarks.CONFIGURATIONS["own"].summary
    assert resolve(landmarks.STUDY, {"weights": None}, configuration="own").plan.phases[0].monitor == "loss"


# --- drawing records again --------------------------------------------------------------------------------------------


def test_a_record_that_is_drawn_again_keeps_the_pictures_of_its_model() -> None:
    name = "cifar10_reconstruction/2026-11-27-experiments"
    again = experiments.STUDY.complete(mtl.report.read_record(RESULTS / name, history=False))
    names = [each.name for each in again.plots]
    assert {"confusion_class.png", "reconstruction_image.png"} <= set(names)
    assert len(names) == len(set(names))
