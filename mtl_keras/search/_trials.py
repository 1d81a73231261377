"""The search itself: ask for a trial, train it, write it down, tell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtl_keras.callbacks import write_hparams, write_hparams_space
from mtl_keras.comparison._folder import disk_is_full
from mtl_keras.comparison._plan import Plan
from mtl_keras.comparison._seeds import derived_seed
from mtl_keras.errors import MTLError, TrialError
from mtl_keras.files import append_json, read_json_lines
from mtl_keras.report.statistics import trial_skills
from mtl_keras.search._oracle import Proposals, epochs_of, plain_values
from mtl_keras.search._session import Session, best_values
from mtl_keras.search._space import describe

__all__ = ["LOG", "best_trial", "run_trials"]

LOG = "trials.jsonl"
#: A study whose first trials all fail is wrong itself.
HOPELESS = 3


def run_trials(session: Session, folder: Path) -> list[dict[str, Any]]:
    """Run the trials that the log does not hold yet and return all lines of the log.

    Each execution is written down before the oracle hears of it, so that a kill loses at most the training under way.

    Raises:
        MTLError: If no trial completed, or the log does not belong to this search.
    """
    settings, space = session.resolved.settings, session.resolved.space
    log = folder / LOG
    write_hparams_space(folder / "logs", describe(space), session.resolved.study.tasks)
    rows = read_json_lines(log)
    proposals = Proposals(settings, space)
    try:
        for number in range(settings.trials):
            hp = proposals.next()
            if hp is None:
                break
            values = plain_values(hp)
            known = [row for row in rows if row["trial"] == number]
            if any(row["hyperparameters"] != values for row in known):
                raise MTLError(
                    f"A search is continued with the space and versions it began with. Received: trial {number} of {log} with "
                    f"{known[0]['hyperparameters']} where {values} is proposed now. Start anew in another --output-dir."
                )
            for execution in range(len(known), settings.seeds_per_trial):
                if any(row["status"] != "completed" for row in known):
                    break
                allowed = epochs_of(hp, settings.epochs)
                row = _execute(session, folder, number, execution, values, allowed)
                append_json(log, row)
                rows.append(row)
                known.append(row)
                session.reporter.training_ends(row)
            completed = all(row["status"] == "completed" for row in known)
            proposals.tell([row["values"]["skill"] for row in known] if completed else None)
            failed = [row for row in rows if row["status"] != "completed"]
            if len(failed) == len(rows) >= HOPELESS:
                break
    finally:
        proposals.close()
    if not any(row["status"] == "completed" for row in rows):
        raise MTLError(
            f"A search needs one trial that completes. Received: {len(rows)} of {len(rows)} failed, the last with: "
            f"{rows[-1]['error']}"
        )
    return rows


def best_trial(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first line of the trial with the highest mean skill over its seeds_per_trial, the earliest on ties."""
    best = next(iter(trial_skills(rows)))
    return next(row for row in rows if row["trial"] == best)


def _plan(session: Session, values: Mapping[str, Any]) -> Plan:
    """Return the plan of a trial's values; where they are refused, it is this trial that fails, not the study."""
    try:
        return session.resolved.plan_of(values)
    except MTLError as error:
        raise TrialError(str(error)) from error


def _execute(
    session: Session, folder: Path, number: int, execution: int, values: Mapping[str, Any], epochs: int
) -> dict[str, Any]:
    """Train one execution of a trial and return its line for the log."""
    settings = session.resolved.settings
    seed = derived_seed(settings.seed, number, execution)
    label = f"trial-{number:03d}" + (f"-{execution}" if settings.seeds_per_trial > 1 else "")
    session.reporter.training_begins(label, number + 1, settings.trials, epochs)
    row: dict[str, Any] = {"trial": number, "execution": execution, "seed": seed, "status": "completed"}
    row["hyperparameters"] = values
    began = time.perf_counter()
    training = 0.0
    results: dict[str, float] = {}
    error = None
    try:
        plan = _plan(session, values)
        plan = Plan(plan.recipe, tuple(phase.at_most(epochs) for phase in plan.phases))
        log_dir = folder / "logs" / label
        run, data = session.train(plan, seed, log_dir, keep=settings.seeds_per_trial > 1)
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
