"""The search itself: ask for a trial, train it, log it, tell the oracle."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtl_keras.callbacks import write_hparams, write_hparams_space
from mtl_keras.data import Data, trivial_scores
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.files import append_json
from mtl_keras.report import TRIALS, read_trials
from mtl_keras.report.statistics import trial_skills
from mtl_keras.runs import Plan, derived_seed, disk_is_full
from mtl_keras.search._oracle import Proposals, epochs_of, plain_values
from mtl_keras.search._prepare import Prepared
from mtl_keras.search._resolve import Resolved
from mtl_keras.search._space import describe_space
from mtl_keras.training import Run

__all__ = ["best_trial", "best_values", "run_trials"]

#: If this many trials fail before one completes, the study itself is wrong.
HOPELESS = 3


def run_trials(prepared: Prepared, folder: Path) -> list[dict[str, Any]]:
    """Run the trials that the log does not hold yet, and return all rows of the log.

    Every training is logged before the oracle is told, so that a kill loses at most the training in progress.

    Args:
        prepared: Study, data and trainer.
        folder: Folder of the search.

    Raises:
        MTLError: If no trial completed, or the log belongs to another search.
    """
    resolved, trainer = prepared.resolved, prepared.trainer
    settings, log = resolved.settings, folder / TRIALS
    write_hparams_space(folder / "logs", describe_space(resolved.space), resolved.study.tasks)
    rows = read_trials(folder)
    proposals = Proposals(settings, resolved.space)
    try:
        for number in range(settings.trials):
            hp = proposals.next()
            if hp is None:
                break
            values = plain_values(hp)
            known = [row for row in rows if row["trial"] == number]
            if any(row["hyperparameters"] != values for row in known):
                raise MTLError(
                    "A search must be continued with the space and versions that it started with. Received: trial "
                    f"{number} of {log} with {known[0]['hyperparameters']} where {values} is proposed now. Start again in "
                    "another --output-dir."
                )
            for execution in range(len(known), settings.seeds_per_trial):
                if any(row["status"] != "completed" for row in known):
                    break
                row = _train(prepared, folder, number, execution, values, epochs_of(hp, settings.epochs))
                append_json(log, row)
                rows.append(row)
                known.append(row)
                trainer.reporter.on_training_end(row)
            completed = all(row["status"] == "completed" for row in known)
            proposals.tell([row["values"]["skill"] for row in known] if completed else None)
            failed = [row for row in rows if row["status"] != "completed"]
            if len(failed) == len(rows) >= HOPELESS:
                break
    finally:
        proposals.close()
    if not any(row["status"] == "completed" for row in rows):
        raise MTLError(
            f"At least one trial of a search must complete. Received: {len(rows)} of {len(rows)} failed, the last with: "
            f"{rows[-1]['error']}"
        )
    return rows


def best_trial(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first row of the trial with the highest mean skill over its seeds, the earliest one on ties."""
    best = next(iter(trial_skills(rows)))
    return next(row for row in rows if row["trial"] == best)


def best_values(run: Run, data: Data) -> dict[str, float]:
    """Return the validation values of a run's best epoch: `skill`, `{task}_{metric}` and `{task}_loss` by task, `epoch`."""
    row = next(r for r in run.history if (r["phase"], r["epoch"]) == (run.best.phase, run.best.epoch))
    tasks = run.recipe.tasks
    reached = {name: row[f"val_{name}_{task.metric.name}"] for name, task in tasks.items()}
    scores = trivial_scores(data.train, data.validation, tasks)
    trivial = {name: scores[name][task.metric.name] for name, task in tasks.items() if name in scores}
    values: dict[str, float] = {"skill": tasks.mean_skill(reached, trivial)}
    for name, task in tasks.items():
        values[f"{name}_{task.metric.name}"] = reached[name]
        values[f"{name}_loss"] = row[f"val_{name}_loss"]
    return {**values, "epoch": run.best.epoch}


def _plan(resolved: Resolved, values: Mapping[str, Any], epochs: int) -> Plan:
    """Return the plan of a trial; if its values are refused, the trial fails, not the study."""
    try:
        plan = resolved.plan_of(values)
    except MTLError as error:
        raise TrialError(str(error)) from error
    return Plan(plan.recipe, tuple(phase.at_most(epochs) for phase in plan.phases))


def _train(
    prepared: Prepared, folder: Path, number: int, execution: int, values: Mapping[str, Any], epochs: int
) -> dict[str, Any]:
    """Train one seed of a trial and return its row for the log."""
    resolved, trainer = prepared.resolved, prepared.trainer
    settings = resolved.settings
    seed, several = derived_seed(settings.seed, number, execution), settings.seeds_per_trial > 1
    label = f"trial-{number:03d}" + (f"-{execution}" if several else "")
    trainer.reporter.on_training_begin(label, number + 1, settings.trials, epochs)
    row: dict[str, Any] = {"trial": number, "execution": execution, "seed": seed, "status": "completed"}
    row["hyperparameters"] = values
    began = time.perf_counter()
    training = 0.0
    results: dict[str, float] = {}
    error = None
    try:
        plan = _plan(resolved, values, epochs)
        log_dir = folder / "logs" / label
        run, data = trainer.train(plan, prepared.data, seed, log_dir, keep=several)
        results, training = best_values(run, data), run.seconds
        write_hparams(log_dir, values, label, tasks=plan.recipe.tasks, scores=results, step=run.best.epoch)
    except (TrialError, tf.errors.ResourceExhaustedError) as failure:
        if disk_is_full(failure):
            raise
        row["status"], error = "failed", str(failure)
    return {
        **row,
        "values": results,
        "seconds": round(time.perf_counter() - began, 3),
        "training_seconds": round(training, 3),
        "error": error,
    }
