"""What every command that trains has in common: its options, its folder, and the trainings of one process.

A command chooses a `RunFolder`, checks its configuration against what the folder holds, loads data and builds models, and only
then opens the folder: `RunFolder.open` locks it, writes the configuration, logs which process worked how long, and writes the
model and the record at the end. Whatever stops it before leaves a folder that can be resumed.

`Options` says where a command reads and writes and how it is executed, `Plan` is one configuration to train, `Trainer` trains
plans, and every seed comes from `derived_seed`.
"""

from __future__ import annotations

from mtl_keras.runs._delivered import describe_delivered
from mtl_keras.runs._folder import OpenRun, RunFolder, disk_is_full, lock, read_config, sorted_runs
from mtl_keras.runs._options import Options
from mtl_keras.runs._plan import Plan
from mtl_keras.runs._reporter import Reporter
from mtl_keras.runs._seeds import FINAL, ORACLE, derived_seed, seed_layers
from mtl_keras.runs._test_evaluations import TEST_EVALUATIONS, find_test_evaluation, log_test_evaluation
from mtl_keras.runs._trainer import Trainer

__all__ = [
    "FINAL",
    "ORACLE",
    "TEST_EVALUATIONS",
    "OpenRun",
    "Options",
    "Plan",
    "Reporter",
    "RunFolder",
    "Trainer",
    "derived_seed",
    "describe_delivered",
    "disk_is_full",
    "find_test_evaluation",
    "lock",
    "log_test_evaluation",
    "read_config",
    "sorted_runs",
    "seed_layers",
]
