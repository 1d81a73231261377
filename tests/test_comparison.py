"""Approaches over seeds: which trainings there are, what their figures say, and that going on changes none of them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
from matplotlib.figure import Figure

import mtl_keras as mtl
from mtl_keras.comparison import Approach, Comparison, _results, compare
from mtl_keras.comparison._jobs import Job, list_jobs
from mtl_keras.comparison._results import _common_tasks, _validation_skill, choose_best
from mtl_keras.errors import MTLError
from mtl_keras.files import read_json_lines, write_json
from mtl_keras.report import read_record
from mtl_keras.runs import Plan, Reporter
from tests._tiny import BACKBONE, SHAPE, rows

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))
#: Frozen, and with nothing that tasks share: each task trains alone.
RECIPE = mtl.Recipe(TASKS, BACKBONE, SHAPE, freeze=True)
#: Its steps grow with the loss weight.
PHASE = mtl.Phase(epochs=1, batch_size=12, optimizer={"class_name": "SGD", "config": {"learning_rate": 0.3}})
WAYS = {"equal": PHASE, "unequal": replace(PHASE, weighting={"kind": 1.9, "odd": 0.1}), "again": PHASE}


def data(*, test: bool = True) -> mtl.data.Data:
    return mtl.data.from_arrays(TASKS, rows(36, 0), rows(20, 1), rows(30, 2) if test else None)


class Heard(Reporter):
    """Keeps the labels of trainings, and ends the process' work in one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.labels: list[str] = []
        self.skills: dict[str, float] = {}
        self.last = last

    def on_training_begin(self, label: str, number: int, total: int, epochs: int) -> None:
        self.labels.append(label)

    def on_training_end(self, row: Mapping[str, Any]) -> None:
        self.skills[row["trial"]] = row["values"]["skill"]

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        if self.last == len(self.labels):
            raise KeyboardInterrupt


def compared(folder: Path, **options: Any) -> Comparison:
    cache = folder.parent / "cache"
    return compare(RECIPE, data(), WAYS, seeds=2, output_dir=folder, cache_dir=cache, strategy="none", **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Heard]:
    heard = Heard()
    return compared(tmp_path_factory.mktemp("done") / "run", reporter=heard), heard


def values(folder: Path) -> dict[tuple[str, ...], float]:
    """Figures of metrics.csv by run, seed, kind of epoch, split, task and metric."""
    names = ("run", "seed", "epoch_kind", "split", "task", "metric")
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        read = [(tuple(row[name] for name in names), float(row["value"])) for row in csv.DictReader(file)]
    assert len(dict(read)) == len(read), "a figure twice"
    return dict(read)


# --- plans ------------------------------------------------------------------------------------------------------------


def phases_of(task: str, *phases: mtl.Phase) -> tuple[mtl.Phase, ...]:
    return Plan(RECIPE, phases).only(task).phases


def test_a_baseline_is_the_same_for_one_task_where_weights_mean_nothing() -> None:
    plan = Plan(RECIPE, (replace(PHASE, weighting="uncertainty"),))
    assert plan.only("odd") == Plan(RECIPE.only("odd"), (PHASE,))


def test_a_baseline_has_the_phases_that_train_its_task() -> None:
    first, second, both = (replace(PHASE, tasks=tasks) for tasks in (("kind",), ("odd",), ("kind", "odd")))
    assert len(phases_of("kind", first, second, both)) == 2
    assert phases_of("kind", second) == ()
    assert all(phase.tasks is None for phase in phases_of("odd", second, both))


def test_a_baseline_does_not_freeze_the_heads_of_others() -> None:
    frozen = replace(PHASE, freeze=("backbone", "odd"))
    assert phases_of("kind", frozen)[0].freeze == ("backbone",)
    assert phases_of("odd", frozen)[0].freeze == ("backbone", "odd")
    # What only this task's phase froze was kept for the others.
    assert phases_of("odd", replace(PHASE, tasks=("odd",), freeze=("backbone", "shared", "kind")))[0].freeze is None
    assert phases_of("odd", replace(PHASE, freeze=()))[0].freeze == ()


@pytest.mark.parametrize(
    ("monitor", "baselines"),
    [
        ("val_skill", "val_skill"),
        ("val_loss", "val_loss"),
        ("val_kind_accuracy", "val_kind_accuracy"),
        ("kind_loss", "kind_loss"),
        ("val_odd_accuracy", "val_skill"),
        # A task whose name begins like this one's.
        ("val_kind_of_accuracy", "val_skill"),
    ],
)
def test_a_baseline_keeps_a_monitor_of_its_own(monitor: str, baselines: str) -> None:
    assert phases_of("kind", replace(PHASE, monitor=monitor))[0].monitor == baselines


def test_a_trunk_stays_frozen_if_no_phase_trains_it() -> None:
    def stays(freeze: bool | str, *phases: mtl.Phase) -> bool:
        return Plan(replace(RECIPE, freeze=freeze), phases).stays_frozen

    held, freed = replace(PHASE, freeze=("backbone", "kind")), replace(PHASE, freeze=("kind",))
    assert stays(True, PHASE, held)
    assert not stays(True, PHASE, freed)
    assert not stays(False, held)


def test_a_plan_takes_the_rows_of_its_tasks() -> None:
    whole = data()
    assert Plan(RECIPE, (PHASE,)).rows(whole) is whole
    assert list(Plan(RECIPE.only("odd"), (PHASE,)).rows(whole).tasks) == ["odd"]


# --- which trainings there are ----------------------------------------------------------------------------------------


def labels(*approaches: Approach) -> dict[str, set[int]]:
    """Seeds by label and task of all trainings."""
    found: dict[str, set[int]] = {}
    jobs = list_jobs(approaches, Path("jobs"))
    assert len({job.folder for job in jobs}) == len(jobs)
    for job in jobs:
        found.setdefault(job.history_label, set()).add(job.seed)
    return found


def approach(name: str, *phases: mtl.Phase, seeds: int = 2, recipe: mtl.Recipe = RECIPE, baselines: bool = True) -> Approach:
    return Approach(name, Plan(recipe, phases or (PHASE,)), range(seeds), GIVEN, baselines)


def given(seed: int) -> mtl.data.Data:
    raise AssertionError("no data is needed to say which trainings there are")


GIVEN = given


def test_equal_baselines_are_trained_once_for_all_seeds() -> None:
    uncertain = replace(PHASE, weighting="uncertainty")
    assert labels(approach("a"), approach("b", uncertain, seeds=3)) == {
        "a": {0, 1},
        "b": {0, 1, 2},
        "single-task kind": {0, 1, 2},
        "single-task odd": {0, 1, 2},
    }


def test_unequal_baselines_are_trained_for_each_approach() -> None:
    assert labels(approach("a"), approach("b", replace(PHASE, epochs=2), seeds=3)) == {
        "a": {0, 1},
        "b": {0, 1, 2},
        "a single-task kind": {0, 1},
        "a single-task odd": {0, 1},
        "b single-task kind": {0, 1, 2},
        "b single-task odd": {0, 1, 2},
    }


def test_baselines_on_other_data_are_others() -> None:
    other = replace(approach("b"), data=lambda seed: data())
    assert {"a single-task kind", "b single-task kind"} < labels(approach("a"), other).keys()


LONGER = replace(PHASE, epochs=2)


@pytest.mark.parametrize("other", [approach("b", LONGER, baselines=False), approach("b", LONGER, recipe=RECIPE.only("kind"))])
def test_an_approach_without_baselines_is_not_measured_on_those_of_another(other: Approach) -> None:
    # "single-task" would be: a table takes it for every approach that has none of its own.
    assert labels(approach("a"), other).keys() == {"a", "b", "a single-task kind", "a single-task odd"}


@pytest.mark.parametrize("other", [approach("b", baselines=False), approach("b", recipe=RECIPE.only("kind"))])
def test_an_approach_is_measured_on_baselines_that_would_be_its_own(other: Approach) -> None:
    assert labels(approach("a"), other).keys() == {"a", "b", "single-task kind", "single-task odd"}


def test_some_tasks_alone_are_trained_alone() -> None:
    two = [replace(approach("a"), baselines=("odd",)), replace(approach("b", replace(PHASE, weighting="dwa")), baselines=())]
    assert labels(*two).keys() == {"a", "b", "single-task odd"}


def test_baselines_may_have_data_of_their_own() -> None:
    # Two schedules over the same data sets: a task alone has nothing to alternate with.
    two = [replace(approach(name), data=lambda seed: data(), baseline_data=GIVEN) for name in "ab"]
    assert {"single-task kind", "single-task odd"} < labels(*two).keys()
    assert {job.data for job in list_jobs(two, Path("jobs")) if job.task} == {GIVEN}


# --- what they give ---------------------------------------------------------------------------------------------------


def test_approaches_have_the_same_seeds(done: tuple[Comparison, Heard]) -> None:
    result, heard = done
    baselines = [f"single-task-{task}-{seed}" for task in TASKS for seed in range(2)]
    assert sorted(heard.labels) == sorted([f"{name}-{seed}" for name in WAYS for seed in range(2)] + baselines)
    # Seed by seed: whoever looks in between sees every approach.
    assert [label[-1] for label in heard.labels] == ["0"] * 5 + ["1"] * 5
    found = values(result.output_dir)
    assert {run for run, *_ in found} == {*WAYS, "single-task", "trivial"}
    for (run, *rest), value in found.items():
        if run == "equal":
            assert found["again", *rest] == pytest.approx(value, abs=1e-6)
    losses = {
        (row["run"], row["seed"]): row["value"]
        for row in result.history
        if (row["split"], row["task"], row["metric"]) == ("validation", "kind", "loss")
    }
    assert losses["equal", 0] == pytest.approx(losses["again", 0], rel=1e-5)
    assert losses["equal", 0] != pytest.approx(losses["equal", 1], rel=1e-4)
    assert losses["equal", 0] != pytest.approx(losses["unequal", 0], rel=1e-4)


def test_what_is_reported_of_a_training_is_its_best_epoch(tmp_path: Path) -> None:
    heard, folder = Heard(), tmp_path / "run"
    options: dict[str, Any] = {"seeds": 2, "baseline": None, "strategy": "none", "reporter": heard}
    steep = replace(PHASE, epochs=4, optimizer={"class_name": "SGD", "config": {"learning_rate": 5.0}})
    compare(RECIPE, data(test=False), {"steep": steep}, output_dir=folder, cache_dir=tmp_path / "cache", **options)
    found = values(folder)
    best, last = (
        {f"steep-{seed}": found["steep", str(seed), kind, "validation", "all", "skill"] for seed in (0, 1)}
        for kind in ("best", "last")
    )
    assert heard.skills == best != last


def test_with_nothing_shared_a_baseline_is_its_task(done: tuple[Comparison, Heard]) -> None:
    # The first task's: its head draws the same weights with and without others after it.
    result, _ = done
    found = values(result.output_dir)
    own = {key[1:]: value for key, value in found.items() if key[0] == "equal" and key[4] == "kind"}
    baseline = {key[1:]: value for key, value in found.items() if key[0] == "single-task" and key[4] == "kind"}
    assert len(own) >= 2 * 2 * 2 * 2
    assert own == pytest.approx(baseline, abs=1e-6)


def test_gains_are_what_one_computes_by_hand(done: tuple[Comparison, Heard]) -> None:
    found = values(done[0].output_dir)
    deltas = {key: value for key, value in found.items() if key[5] == "delta_m"}
    assert len(deltas) == 3 * 2 * 2 * 2
    for (run, *rest, _, _), value in deltas.items():
        gains = []
        for task in TASKS:
            mine, baselines = found[run, *rest, task, "accuracy"], found["single-task", *rest, task, "accuracy"]
            gains.append((mine - baselines) / baselines)
        assert value == pytest.approx(100 * sum(gains) / len(gains))


def test_the_table_says_what_was_reached(done: tuple[Comparison, Heard]) -> None:
    result, _ = done
    assert result.split == "test"
    table = result.table()
    found = values(result.output_dir)
    mean = sum(found["equal", str(seed), "best", "test", "odd", "accuracy"] for seed in range(2)) / 2
    row = table[(table["approach"] == "equal") & (table["task"] == "odd")].iloc[0]
    assert float(row["best epoch"].split()[0]) == pytest.approx(mean, abs=1e-4)
    assert row["best epoch"].endswith("(2)")
    assert "indicative" in row["− single-task"]
    assert set(table["approach"]) == {*WAYS, "single-task"}
    assert not result.table("validation").equals(table)
    skills = {name: sum(found[name, str(seed), "best", "validation", "all", "skill"] for seed in range(2)) for name in WAYS}
    assert skills[result.best] == max(skills.values())
    assert mtl.load_model(result.output_dir).output_names == ["kind", "odd"]
    assert result.model.recipe == RECIPE


def test_a_difference_is_paired_by_seed(done: tuple[Comparison, Heard]) -> None:
    result, _ = done
    found = values(result.output_dir)

    def by_hand(task: str) -> list[float]:
        one, other = (
            [found[run, str(seed), "best", "test", task, "accuracy"] for seed in range(2)] for run in ("equal", "single-task")
        )
        return [mine - baseline for mine, baseline in zip(one, other, strict=True)]

    kind, odd = by_hand("kind"), by_hand("odd")
    difference = result.difference("equal", "single-task", "odd")
    assert list(difference.values.values()) == pytest.approx(odd)
    assert difference.mean == pytest.approx(sum(odd) / 2)
    assert "indicative" in difference.verdict
    assert (difference.interval, difference.p) == (None, None), "two seeds have neither interval nor test"
    both = result.difference("equal", "single-task", ("kind", "odd"))
    assert list(both.values.values()) == pytest.approx([(a + b) / 2 for a, b in zip(kind, odd, strict=True)])
    assert list(result.record.difference("equal", "single-task", "odd").values.values()) == pytest.approx(odd)


def test_it_is_drawn(done: tuple[Comparison, Heard]) -> None:
    result, _ = done
    assert isinstance(result.plot("history"), Figure)
    titles = {what: [axes.get_title() for axes in result.plot(what).axes] for what in (None, "odd/accuracy", "all/delta_m")}
    assert {what: [title.split()[0] for title in each if title] for what, each in titles.items()} == {
        None: ["kind", "odd"],
        "odd/accuracy": ["odd"],
        "all/delta_m": ["all"],
    }
    with pytest.raises(MTLError, match="Unknown metric to plot: received 'odd/acuracy'. Did you mean 'odd/accuracy'"):
        result.plot("odd/acuracy")


def test_a_record_is_copied_and_never_replaced(done: tuple[Comparison, Heard], tmp_path: Path) -> None:
    result, _ = done
    result.save(tmp_path / "record")
    copied = {path.name for path in (tmp_path / "record").iterdir()}
    assert {"README.md", "config.json", "environment.json", "metrics.csv", "history.csv", "approaches.png"} <= copied
    assert "test_evaluations.jsonl" in copied
    assert not copied & {"jobs", "logs", "model.keras", ".lock"}
    before = (tmp_path / "record" / "metrics.csv").read_bytes()
    with pytest.raises(MTLError, match="must not replace"):
        result.save(tmp_path / "record")
    assert (tmp_path / "record" / "metrics.csv").read_bytes() == before


# --- going on ---------------------------------------------------------------------------------------------------------


def test_a_finished_comparison_is_shown_again(done: tuple[Comparison, Heard]) -> None:
    result, _ = done
    before = {path: path.read_bytes() for path in result.output_dir.iterdir() if path.is_file()}
    heard = Heard()
    again = compared(result.output_dir, resume=True, reporter=heard)
    assert heard.labels == []
    assert {path: path.read_bytes() for path in result.output_dir.iterdir() if path.is_file()} == before
    assert (again.metrics, again.history, again.best) == (result.metrics, result.history, result.best)
    (look,) = read_json_lines(result.output_dir / "test_evaluations.jsonl")
    assert (look["split"], look["what"]["command"], len(look["what"]["runs"])) == ("test", "compare", 10)


def test_a_killed_comparison_is_resumed_as_if_it_had_not_been(done: tuple[Comparison, Heard], tmp_path: Path) -> None:
    # Of a finished one that three trainings are taken from, as if it had been killed before.
    folder = Path(shutil.copytree(done[0].output_dir, tmp_path / "run"))
    missing = ["unequal-1", "again-1", "single-task-odd-1"]
    for name in missing:
        shutil.rmtree(folder / "jobs" / name)
    for file in ("README.md", "test_evaluations.jsonl"):
        (folder / file).unlink()
    # And one that was finished, but not yet rid of its checkpoint.
    (folder / "jobs" / "equal-0" / "checkpoint.npz").write_bytes(b"of no use any more")
    stopped = Heard(last=2)
    with pytest.raises(KeyboardInterrupt):
        compared(folder, resume=True, reporter=stopped)
    assert not (folder / "README.md").exists()
    heard = Heard()
    compared(folder, resume=True, reporter=heard)
    assert (stopped.labels, heard.labels) == (missing[:2], missing[1:])
    assert values(folder) == pytest.approx(values(done[0].output_dir), abs=1e-6)
    assert len(read_json_lines(folder / "test_evaluations.jsonl")) == 1
    assert not [*folder.rglob("checkpoint.npz")]


def test_another_comparison_is_not_continued_there(done: tuple[Comparison, Heard]) -> None:
    folder = done[0].output_dir
    with pytest.raises(MTLError, match="new or empty"):
        compared(folder)
    with pytest.raises(MTLError, match="seed=1 where"):
        compared(folder, resume=True, seed=1)


def test_a_comparison_of_other_data_is_not_continued_there(done: tuple[Comparison, Heard], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(done[0].output_dir, tmp_path / "run"))

    def resumed(part: str) -> None:
        split = getattr(data(), part)
        changes: dict[str, Any] = {part: replace(split, y={**split.y, "odd": 1 - split.y["odd"]})}
        other = replace(data(), **changes)
        compare(RECIPE, other, WAYS, seeds=2, output_dir=folder, cache_dir=tmp_path, strategy="none", resume=True)

    for part, named in (("train", "training"), ("validation", "validation"), ("test", "test")):
        with pytest.raises(MTLError, match=rf"other labels of task 'odd' in the {named} split than .*run was started with"):
            resumed(part)
    # As earlier versions wrote it: read, and not continued.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in config if key not in ("data", "checksum")}))
    with pytest.raises(MTLError, match=r"kept no digest of data. Start again in another folder; this one can still be read"):
        compared(folder, resume=True)
    assert read_record(folder).mean("equal", "odd") == done[0].record.mean("equal", "odd")


def test_weights_of_another_file_are_not_delivered(done: tuple[Comparison, Heard], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(done[0].output_dir, tmp_path / "run"))
    path = next((folder / "jobs").glob(f"{done[0].best}-{done[0].results.seed}/best.weights.h5"))
    shutil.move(path, tmp_path / "other.h5")
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/layers")
    with pytest.raises(MTLError, match=r"best\.weights\.h5: /layers is a link to another place"):
        compared(folder, resume=True)
    summary = path.parent / "summary.json"
    summary.write_bytes(summary.read_bytes().replace(b'"value": 0.', b'"value": 0.9', 1))
    with pytest.raises(MTLError, match=r"summary\.json: it was changed after it was written"):
        compared(folder, resume=True)


def test_a_finished_training_on_other_data_is_not_used(tmp_path: Path) -> None:
    job = Job("equal", 0, Plan(RECIPE, (PHASE,)), lambda _: data(), tmp_path)
    rest = dict.fromkeys(("metrics", "history", "best_epoch", "weighting_state"))
    write_json(job.summary_file, {**rest, "data": data().digests()})
    job.check_data()
    other = replace(job, data=lambda _: replace(data(), train=data().validation))
    with pytest.raises(MTLError, match=r"other inputs in the training split and 4 more than"):
        other.check_data()


# --- other data and other networks ------------------------------------------------------------------------------------


def jobs_with(skills: dict[str, list[float]], tasks: dict[str, tuple[str, ...]]) -> tuple[list[Approach], list[Job]]:
    """Approaches and finished trainings whose accuracy of `odd` gives these skills over a trivial predictor of a half."""

    class Finished(Job):
        def summary(self) -> dict[str, Any]:
            value = 0.5 + skills[self.label][self.seed] / 2
            about = {"metric": "accuracy", "epoch_kind": "best"}
            rows = [{**about, "run": self.label, "task": name, "value": value} for name in self.plan.recipe.tasks]
            rows += [{**row, "value": 0.0, "epoch_kind": "last"} for row in rows]
            return {"metrics": rows + [{**row, "run": "trivial", "epoch_kind": "", "value": 0.5} for row in rows]}

    approaches = [approach(name, seeds=len(skills[name]), recipe=RECIPE.only(*own)) for name, own in tasks.items()]
    jobs = [Finished(each.name, seed, each.plan, GIVEN, Path(each.name)) for each in approaches for seed in each.seeds]
    return approaches, list(jobs)


def test_the_delivered_training_is_the_best_of_the_best_approach() -> None:
    # The best mean over seeds, not the best single training; of its trainings the best one, the first on ties.
    found = jobs_with({"a": [0.1, 0.9], "b": [0.6, 0.6], "c": [0.5, 0.5]}, dict.fromkeys("abc", ("kind", "odd")))
    chosen = choose_best(*found)
    assert (chosen.label, chosen.seed) == ("b", 0)
    assert _validation_skill(chosen, {"odd"}) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("tasks", "common", "best"),
    [
        # One with a task more is judged by what it shares with the others.
        ({"both": ("kind", "odd"), "odd": ("odd",), "again": ("odd",)}, {"odd"}, "odd"),
        # Of sets that are equally common it is the largest.
        ({"odd": ("odd",), "both": ("kind", "odd")}, {"kind", "odd"}, "both"),
        ({"kind": ("kind",), "odd": ("odd",)}, {"kind"}, "kind"),
    ],
)
def test_approaches_are_ranked_by_the_tasks_that_most_have(
    tasks: dict[str, tuple[str, ...]], common: set[str], best: str
) -> None:
    assert _common_tasks([frozenset(own) for own in tasks.values()]) == common
    skills = {name: [float(name == "odd")] for name in tasks}
    assert choose_best(*jobs_with(skills, tasks)).label == best


def test_approaches_are_ranked_by_what_half_of_them_have() -> None:
    sweep = [frozenset(map(str, range(count))) for count in (3, 5, 10, 20, 50)]
    assert _common_tasks(sweep) == frozenset(map(str, range(10)))
    # Of tasks that no approach has together, those of the largest.
    assert _common_tasks([frozenset("ab"), frozenset("bc"), frozenset("cad")]) == frozenset("cad")


def test_without_test_rows_figures_are_those_of_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_results, "_validation_skill", lambda job, tasks: float(job.label == "whole"))
    # The trunk is frozen in the recipe and trained by the phase: what is loaded again has to have it as trained.
    trained = Plan(RECIPE, (replace(PHASE, freeze=()),))
    plans = {"less": Plan(RECIPE.only("odd"), (PHASE,)), "whole": trained}
    result = compare(plans, data(test=False), seeds=2, baseline=None, output_dir=tmp_path / "run", cache_dir=tmp_path / "cache")
    assert result.split == "validation"
    assert not (tmp_path / "run" / "test_evaluations.jsonl").exists()
    assert {row["run"] for row in result.metrics} == {"less", "whole", "trivial"}
    found = values(result.output_dir)
    assert result.best == "whole"
    assert ("trivial", "", "", "validation", "kind", "accuracy") in found
    seed = str(result.results.seed)
    for score in result.evaluation.scores:
        assert score.value == pytest.approx(found["whole", seed, "best", "validation", score.task, score.metric], abs=1e-6)
    kernels = [compared.trunk.get_weights()[0] for compared in (result.model, mtl.load_model(result.output_dir))]
    assert (kernels[0] == kernels[1]).all()


# --- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"seeds": 1},
            r"which estimates a spread, must be an integer in \[2, 1000000\]. Received: seeds=1",
        ),
        (
            {"seeds": "5"},
            r"which estimates a spread, must be an integer in \[2, 1000000\]. Received: seeds='5'",
        ),
        ({"approaches": {}}, "must have at least one approach. Received: none"),
        ({"approaches": None}, "must be a dict of mtl.Phase"),
        ({"approaches": [PHASE]}, "must be a dict of mtl.Phase"),
        *(
            ({"approaches": {name: PHASE}}, f"an approach called {name!r}")
            for name in ("single-task", "x single-task", "single-task-kind", "trivial", "all", "n", "unit")
        ),
        *(
            ({"approaches": {name: PHASE}}, "The name of an approach must be a text of 1 to 100 bytes")
            for name in ("a/b", "", "..", "x" * 300)
        ),
        ({"approaches": {"a": ()}}, "at least one phase"),
        ({"approaches": {"a": replace(PHASE, monitor="val_old_accuracy")}}, "Did you mean 'val_odd_accuracy'"),
        ({"approaches": {"a": replace(PHASE, tasks=("kind",))}}, "of which no phase trains 'odd'"),
        ({"approaches": {"a": replace(PHASE, freeze=("odd_dense_1",))}}, "Unknown layer: received 'odd_dense_1'"),
        ({"recipe": mtl.Recipe(mtl.Tasks(mtl.Binary("old")), BACKBONE, SHAPE)}, "'old'. Did you mean 'odd'"),
        ({"recipe": {"a": Plan(RECIPE, (PHASE,))}}, "must be omitted if `recipe` holds plans"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_comparison_is_refused(arguments: dict[str, Any], said: str, tmp_path: Path) -> None:
    heard = Heard()
    given = {"recipe": RECIPE, "data": data(), "approaches": {"a": PHASE}, "seeds": 2, **arguments}
    with pytest.raises(MTLError, match=said) as refused:
        compare(**given, output_dir=tmp_path / "run", cache_dir=tmp_path / "cache", reporter=heard)
    assert "Received" in str(refused.value) or "received" in str(refused.value)
    assert (heard.labels, list(tmp_path.iterdir())) == ([], [])


def test_a_layer_that_a_baseline_lacks_is_refused_before_any_work(tmp_path: Path) -> None:
    recipe = replace(RECIPE, heads={"odd": mtl.Head(dense=(3,))})
    phase = replace(PHASE, freeze=("backbone", "odd_dense_1"))
    with pytest.raises(MTLError, match="Unknown layer: received 'odd_dense_1'"):
        compare(recipe, data(), {"a": phase}, seeds=2, output_dir=tmp_path / "run", cache_dir=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []
