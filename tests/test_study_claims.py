"""What studies 001 and 004 say of their records: figures from the rows, losses as well as gains, nothing that n cannot show."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mtl_keras as mtl
from mtl_keras.report import Record, read_record, statistics

RESULTS = Path(__file__).parent.parent / "results"
FIVE = ("living", "big", "equal", "half_4", "half_5")
RECORDS = [
    *("cifar100_binary/2026-11-26", "cifar100_binary/2026-11-26-frozen"),
    *("two_datasets/2026-11-26", "two_datasets/2026-11-26-frozen"),
]
SCRATCH, FROZEN, ALTERNATED, ALTERNATED_FROZEN = RECORDS


@cache
def completed(name: str) -> Record:
    """A committed record with what its study says of it today."""
    return mtl.load_study(name.partition("/")[0]).complete(read_record(RESULTS / name))


def words(record: Record) -> str:
    return " ".join([record.finding, *(row["verdict"] for row in record.claims), *(table.caption for table in record.tables)])


@pytest.mark.parametrize("name", RECORDS)
def test_no_interval_and_no_p_below_five_seeds_and_always_holm_from_there_on(name: str) -> None:
    record, few = completed(name), name in (SCRATCH, ALTERNATED)
    text = words(record) + " ".join(table.markdown for table in record.tables)
    assert bool(re.search(r"\[[-+]\d", text)) != few
    assert bool(re.search(r"p [=<] ", text)) != few
    assert ("indicative" in text) == few
    assert ("Holm's correction for" in record.finding) != few
    assert "nan" not in text


@pytest.mark.parametrize("name", RECORDS)
def test_the_number_of_seeds_images_and_epochs_stand_beside_the_figures(name: str) -> None:
    record = completed(name)
    assert f"over {3 if name in (SCRATCH, ALTERNATED) else 5} seeds" in record.finding
    n = {row["n"] for row in record.metrics if row["split"] == "test" and row["task"] in ("living", "class")}
    rows = {each.rows for each in record.budgets if {"living", "class"} & set(each.tasks)}
    (measured,), (trained,) = n, rows
    assert f"{trained:,} training images" in record.claims[0]["verdict"]
    assert f"{measured:,} test images" in record.claims[0]["verdict"]
    assert "10,000 test images" in record.claims[0]["claim"]
    assert "50,000 images" in record.claims[0]["claim"]


def test_losses_are_named_as_gains_are() -> None:
    record = completed(SCRATCH)
    verdict = next(row["verdict"] for row in record.claims if "most tasks gain" in row["claim"])
    assert "of 33 differences" in verdict
    for run, task in (("tasks_3", "big"), ("tasks_20", "living"), ("tasks_50", "living"), ("tasks_50", "big")):
        assert f"{task} in {run} {100 * record.difference(run, 'single-task', task).mean:+.1f}" in verdict
    fifty = record.difference("tasks_50", "single-task", FIVE).mean
    assert f" and {100 * fifty:+.1f} (" in record.finding


def by_seed(record: Record, run: str, tasks: tuple[str, ...], kind: str, other: str = "single-task") -> list[float]:
    """Differences from other networks in points, one of each seed, from the raw rows."""
    pairs = [[record.values(each, task, "accuracy", epoch_kind=kind) for each in (run, other)] for task in tasks]
    return [100 * statistics.mean([mine[seed] - theirs[seed] for mine, theirs in pairs]) for seed in pairs[0][0]]


def text_of(values: list[float]) -> str:
    return f"{statistics.mean(values):+.1f} ({', '.join(f'{value:+.1f}' for value in values)})"


def test_nothing_is_tested_over_few_seeds() -> None:
    record = completed(SCRATCH)
    verdict = next(row["verdict"] for row in record.claims if "most tasks gain" in row["claim"])
    assert "So few seeds are indicative." in verdict
    for word in ("Holm", "tested", "smallest p", "interval"):
        assert word not in words(record)


def test_the_last_epoch_stands_beside_the_best_one() -> None:
    record = completed(SCRATCH)
    verdict = next(row["verdict"] for row in record.claims if "most tasks gain" in row["claim"])
    for run in ("tasks_20", "tasks_50"):
        both = [f"{text_of(by_seed(record, run, ('living',), kind))} at the {kind} epoch" for kind in ("best", "last")]
        assert f"living in {run} {', '.join(both)}" in verdict
    for kind in ("best", "last"):
        pairs = [(run, task) for run in record.approaches for task in FIVE if record.values(run, task)]
        means = [statistics.mean(by_seed(record, run, (task,), kind)) for run, task in pairs]
        up, down = sum(each > 0 for each in means), sum(each < 0 for each in means)
        assert f"At the {kind} epoch, of 33 differences {up} are gains and {down} losses" in verdict
        five, fifty = (text_of(by_seed(record, f"tasks_{count}", FIVE, kind)) for count in (5, 50))
        assert f"{five} among 5 tasks and {fifty} among 50 tasks at the {kind} epoch" in record.finding


def test_of_tested_gains_those_at_both_epochs_are_counted_and_losses_by_interval_named() -> None:
    record = completed(FROZEN)
    verdict = next(row["verdict"] for row in record.claims if "most tasks gain" in row["claim"])
    shown = []
    for kind in ("best", "last"):
        pairs = [(run, task) for run in record.approaches for task in FIVE if record.values(run, task)]
        values = [by_seed(record, run, (task,), kind) for run, task in pairs]
        p = statistics.holm([statistics.paired_test(each) for each in values])
        shown.append({pair for pair, own in zip(pairs, p, strict=True) if own < 0.05})
    assert f"{len(shown[0] & shown[1])} of them are the same at both" in verdict
    assert len(shown[0] & shown[1]) < len(shown[0])
    assert max(by_seed(record, "tasks_50", ("living",), "last")) < 0
    assert re.search(
        r"by the interval alone, not after the correction: living in tasks_50 -0\.3 \[[^]]*\] at the last", verdict
    )


def test_published_differences_are_those_of_the_runs_and_not_of_cut_means() -> None:
    claims = {row["claim"].split(" trained")[0]: row["claim"] for row in completed(SCRATCH).claims}
    assert ": -0.47, +0.97, +1.47, +1.49, +2.47 points" in claims["5 tasks"]
    assert ": -0.35, +0.11, +0.49, +1.38, +2.32 points" in claims["10 tasks"]
    assert "Tasks 6 to 10 have no single-task networks" in claims["10 tasks"]
    assert "no single-task networks" not in claims["5 tasks"]


def test_the_corrected_tests_are_those_of_the_table_of_all_approaches() -> None:
    record = completed(FROZEN)
    table = mtl.report.approaches_table([row for row in record.metrics if row["task"] in FIVE])
    shown = {(row["approach"], row["task"]): row["p, Holm"] for row in table.to_dict("records") if row["p, Holm"] != "–"}
    assert len(shown) == 33
    better = [place for place, p in shown.items() if p.startswith("<") or float(p) < 0.05]
    verdict = next(row["verdict"] for row in record.claims if "most tasks gain" in row["claim"])
    assert f"{len(better)} are gains and 0 losses after Holm's correction for 33 tests" in verdict
    assert all(f"{task} in {run} " in verdict for run, task in better)


def test_records_say_the_same_under_the_old_names_of_random_tasks() -> None:
    def renamed(rows: Any) -> list[Any]:
        return [
            {**row, "run": row["run"].replace("coins", "random"), "task": row["task"].replace("coin_", "random_")}
            for row in rows
        ]

    old = completed(SCRATCH)
    assert {"tasks_5_coins_5", "tasks_10_coins_10"} <= set(old.approaches)
    study = mtl.load_study("cifar100_binary")
    new = study.complete(replace(old, metrics=renamed(old.metrics), history=renamed(old.history), budgets=old.budgets))
    assert set(new.approaches) == set(study.configurations)
    assert [row["verdict"].replace("random_", "coins_") for row in new.claims] == [row["verdict"] for row in old.claims]
    assert new.finding.replace("random_", "coins_") == old.finding


@pytest.mark.parametrize("runs", [("tasks_3", "single-task"), ("tasks_10",)])
def test_a_record_of_some_configurations_has_claims_of_these(runs: tuple[str, ...]) -> None:
    whole = completed(SCRATCH)
    study = mtl.load_study("cifar100_binary")
    assert study.claims is not None
    rows = [row for row in whole.metrics if row["run"] in (*runs, "trivial")]
    for claim in study.claims(replace(whole, metrics=rows, budgets=[])):
        assert "nan" not in claim["verdict"]


def test_published_means_and_deviations_are_those_of_the_published_runs() -> None:
    from tuning._cifar100_binary_published import REPORTS

    for by_task in REPORTS.values():
        for runs, center, sd in by_task.values():
            # Some were cut instead of rounded, at three decimals.
            assert statistics.mean(runs) == pytest.approx(center, abs=1e-3)
            assert sd is None or statistics.sample_sd(runs) == pytest.approx(sd, abs=1e-4)
    assert [*REPORTS["tasks_10"]] == [*FIVE, "half_6", "half_7", "half_8", "half_9", "half_10"]


@pytest.mark.parametrize("name", [ALTERNATED, ALTERNATED_FROZEN])
def test_both_epochs_are_reported(name: str) -> None:
    record = completed(name)
    for task, claim in zip(("class", "garment"), record.claims, strict=True):
        for kind in ("best", "last"):
            mine, theirs = (record.values(run, task, epoch_kind=kind) for run in ("coin", "single-task"))
            points = 100 * statistics.mean([mine[seed] - theirs[seed] for seed in mine])
            assert re.search(
                rf"coin − single-task\): .*{re.escape(f'{points:+.1f}')}[^;]* at the {kind} epoch", claim["verdict"]
            )


def test_an_interval_that_excludes_0_is_named_beside_its_corrected_p() -> None:
    objects, garments = (row["verdict"] for row in completed(ALTERNATED_FROZEN).claims)
    assert "-1.2 [-2.3, -0.2], p = " in objects
    assert "Shown after the correction: none. By the interval alone, not after the correction: coin is worse" in objects
    assert garments.endswith("Shown after the correction: none.")


def test_nothing_is_decided_by_three_seeds() -> None:
    for row in completed(ALTERNATED).claims:
        assert row["verdict"].endswith("So few seeds decide none of it.")
        assert "Shown" not in row["verdict"]


def test_the_table_goes_up_and_down_as_the_original_does() -> None:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in completed(ALTERNATED).tables[0].markdown.splitlines()]
    published = {(line[0], line[1]): line[3:] for line in lines if line[1].startswith("published")}
    assert published["class", "published, original's README"] == ["0.887", "0.806", "⬇ -8.1", "–"]
    assert published["garment", "published, original's README"] == ["0.774", "0.803", "⬆ +2.9", "–"]
    assert len(lines) == 2 + 2 * (2 + 2 * 2)


@pytest.mark.parametrize("name", [ALTERNATED, ALTERNATED_FROZEN])
def test_random_alternation_has_fewer_steps_of_one_set_and_more_of_the_other(name: str) -> None:
    record = completed(name)
    assert "2.2 times as many" in mtl.load_study("two_datasets").configurations["coin"].summary
    for row, dataset, alone in zip(record.claims, ("cifar10", "clothing"), (79, 18), strict=True):
        logged = [each["value"] for each in record.history if (each["run"], each["metric"]) == ("coin", f"steps_{dataset}")]
        steps = statistics.mean(logged)
        assert f"{steps:.1f} steps of" in row["verdict"]
        assert f"{steps / alone:.2f} times the {alone}" in row["verdict"]
        assert f"{steps / alone:.2f} times the {alone}" in record.finding


def test_the_finding_has_both_epochs() -> None:
    record = completed(ALTERNATED)
    for kind in ("best", "last"):
        for task in ("class", "garment"):
            for run in ("coin", "equal_steps"):
                assert f"{task} {text_of(by_seed(record, run, (task,), kind))} at the {kind} epoch" in record.finding
