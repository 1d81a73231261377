"""A search that is killed, at whatever moment, and continued ends with the same trials as one that is left alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtl_keras.files import read_json_lines
from tests.integration._tiny import command, study_file
from tests.integration.conftest import Finished

ROOT = Path(__file__).parents[2]


def trials(folder: Path) -> list[tuple[int, int, int, dict[str, Any]]]:
    """What of the log does not depend on how floating-point sums were ordered."""
    rows = read_json_lines(folder / "trials.jsonl")
    assert all(row["status"] == "completed" for row in rows)
    return [(row["trial"], row["execution"], row["seed"], row["hyperparameters"]) for row in rows]


def finals(folder: Path) -> int:
    """How many final trainings are finished."""
    return len(list(folder.glob("finals/*/*/summary.json")))


def run_and_kill(arguments: list[str], ripe: Callable[[], bool]) -> bool:
    """Run a search in a process of its own and kill it as soon as `ripe`; return False if it had ended by itself."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    log = Path(arguments[-1]).with_suffix(".log")
    with log.open("a") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mtl_keras", *arguments], stdout=out, stderr=out, env={**os.environ, "PYTHONPATH": path}
        )
        try:
            while not ripe():
                if process.poll() is not None:
                    assert process.returncode == 0, log.read_text()
                    return False
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
    return True


def test_a_killed_search_is_resumed_as_if_it_had_not_been(tuned: Finished, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    arguments = [*map(str, tuned.arguments), "--output-dir"]
    assert run_and_kill([*arguments, str(killed)], lambda: len(read_json_lines(killed / "trials.jsonl")) == 1)
    before = (killed / "trials.jsonl").read_bytes()
    assert not (killed / "README.md").exists()
    done = command(*arguments, killed, "--resume", "--json")
    assert done.code == 0, done.err
    assert done.answer["trials"] == {"completed": 2, "failed": 0}
    assert (killed / "trials.jsonl").read_bytes().startswith(before)
    assert len(read_json_lines(killed / "test_evaluations.jsonl")) == 1
    assert trials(killed) == trials(tuned.folder)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tuner", ["random", "grid", "hyperband", "bayesian"])
def test_a_search_killed_at_five_moments(tuner: str, tmp_path: Path) -> None:
    change = ('rate = hp.Float("learning_rate", 1e-3, 1e-2, sampling="log")', "rate = 0.01")
    # Bayesian search draws three trials for each hyperparameter before it models anything: one, to get there.
    changes = [change, ("depth=(0, 1)", "depth=(1,)"), ("width=(4, 8)", "width=(4,)"), (', only_if=("shared_depth", [1])', "")]
    study, undisturbed, killed = study_file(tmp_path, *changes), tmp_path / "undisturbed", tmp_path / "killed"
    arguments = ["tune", str(study), "--tuner", tuner, "--trials", "6", "--epochs", "3", "--n-final-seeds", "2", "--output-dir"]
    assert command(*arguments, undisturbed).code == 0
    # The lowest numbers of trials and of final trainings at which to strike, and how long after that.
    draw = random.Random(tuner)
    moments = [(draw.randrange(4), 0) for _ in range(3)] + [(0, 1 + draw.randrange(3)) for _ in range(2)]
    kills = 0
    for lines, summaries in sorted(moments, key=lambda moment: (moment[1], moment[0])):
        ripe_at: list[float] = []
        delay = draw.uniform(0, 3)

        def ripe(lines: int = lines, summaries: int = summaries, ripe_at: list[float] = ripe_at, delay: float = delay) -> bool:
            if not ripe_at and len(read_json_lines(killed / "trials.jsonl")) >= lines and finals(killed) >= summaries:
                ripe_at.append(time.monotonic())
            return bool(ripe_at) and time.monotonic() > ripe_at[0] + delay

        kills += run_and_kill([*arguments[:-1], "--resume", "--output-dir", str(killed)], ripe)
        assert trials(killed) == trials(undisturbed)[: len(trials(killed))]
    assert kills == 5, "it ended before it could be killed"
    done = command(*arguments, killed, "--resume", "--json")
    assert done.code == 0, done.err
    assert trials(killed) == trials(undisturbed)
    assert finals(killed) == finals(undisturbed)
    assert len(read_json_lines(killed / "test_evaluations.jsonl")) == 1
