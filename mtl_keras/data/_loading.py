"""Where images are stored while data is loaded, and who is told of it: what functions that load data do not pass on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["CacheDir", "Loading", "current_loading", "default_cache_dir", "loading"]

CacheDir = str | Path | Literal[False] | None


@dataclass(frozen=True)
class Loading:
    """What is told while data is loaded.

    Args:
        cache_dir: Folder of the cache, or False for none; None (default) is the user's.
        stage: Called with a line before images are decoded; None (default) for nobody.
        progress: Called with the images decoded and their total.
    """

    cache_dir: CacheDir = None
    stage: Callable[[str], None] | None = None
    progress: Callable[[int, int], None] | None = None


_current: ContextVar[Loading] = ContextVar("loading", default=Loading())  # noqa: B039  it is frozen


def current_loading() -> Loading:
    """Return what holds for data that is loaded here."""
    return _current.get()


@contextlib.contextmanager
def loading(
    cache_dir: CacheDir = None,
    *,
    stage: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[None]:
    """Return a context in which images are stored in a folder, whatever function reads them.

    The function of a study has no argument for it.

    Args:
        cache_dir: Folder of the cache, or False for none; None (default) is the user's.
        stage: Called with one line before images are decoded, which names their size.
        progress: Called with the images decoded and their total.

    Example:
        >>> import mtl_keras as mtl
        >>> with mtl.data.loading(False):
        ...     data = mtl.data.load("digits", mtl.Tasks(mtl.Binary("parity")))
    """
    token = _current.set(Loading(cache_dir, stage, progress))
    try:
        yield
    finally:
        _current.reset(token)


def default_cache_dir() -> Path:
    """Return the folder of the cache: `$MTL_KERAS_CACHE_DIR`, else `mtl-keras` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if named := os.environ.get("MTL_KERAS_CACHE_DIR"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mtl-keras"
