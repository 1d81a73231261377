"""A table of the form of yeast.csv.gz, with labels at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 200


def write_yeast(folder: Path) -> Path:
    """Write the table to a folder and return the folder."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 103)), columns=[f"Att{i}" for i in range(1, 104)])
    frame[[f"Class{i}" for i in range(1, 15)]] = rng.integers(0, 2, (ROWS, 14))
    frame.to_csv(folder / "yeast.csv.gz", index=False)
    return folder
