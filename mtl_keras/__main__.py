"""`python -m mtl_keras` is the `mtl-keras` command."""

from __future__ import annotations

from mtl_keras.cli import entry

if __name__ == "__main__":
    entry()
