"""Where a command reads and writes, and how it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mtl_keras.data import loading
from mtl_keras.errors import check_bool, check_instance, check_path, check_text, store
from mtl_keras.runs._reporter import Reporter

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Where a command reads and writes, and how it is executed. No option changes what is trained, except `quick`.

    Args:
        data_dir: Root folder in which a data set is looked up as `<name>/` and `tfds/<name>/`.
        output_dir: A new or empty folder; None (default) creates `runs/<study>/<n>`.
        cache_dir: Folder of the cache of decoded images and features; None (default) is the user's cache folder.
        resume: Whether to continue in `output_dir`, or in the newest run of the same command and study.
        quick: Whether to apply the study's quick changes first.
        strategy: See `mtl_keras.distribute.strategy`; default `"auto"`.
        reporter: Receives the progress; the default ignores it.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.runs.Options(output_dir="runs/mine", resume=True).strategy
        'auto'
    """

    data_dir: str | Path | None = None
    output_dir: str | Path | None = None
    cache_dir: str | Path | None = None
    resume: bool = False
    quick: bool = False
    strategy: str = "auto"
    reporter: Reporter = field(default_factory=Reporter)

    def __post_init__(self) -> None:
        for name in ("data_dir", "output_dir", "cache_dir"):
            if (value := getattr(self, name)) is not None:
                check_path(name, value)
        store(self, **{name: check_bool(name, getattr(self, name)) for name in ("resume", "quick")})
        check_text("strategy", self.strategy, example="auto")
        check_instance("reporter", self.reporter, Reporter, "Pass a subclass of mtl.runs.Reporter.")

    def loading(self) -> AbstractContextManager[None]:
        """Return a context in which data is loaded: images are stored in the cache folder, and the reporter is told."""
        return loading(self.cache_dir, stage=self.reporter.on_stage, progress=self.reporter.on_images)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all options."""
        return tuple(each.name for each in fields(cls))

    @classmethod
    def split(cls, arguments: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
        """Return the options among keyword arguments, and all other arguments.

        Args:
            arguments: By name. A `reporter` of None means the default.

        Example:
            >>> options, rest = Options.split({"resume": True, "trials": 3})
            >>> options.resume, rest
            (True, {'trials': 3})
        """
        own = {name: value for name, value in arguments.items() if name in cls.names()}
        if own.get("reporter", ...) is None:
            del own["reporter"]
        return cls(**own), {name: value for name, value in arguments.items() if name not in cls.names()}
