"""Multi-task learning in Keras 3.

*Tasks* define what is predicted, *data* provides it, a *model* combines one backbone with one head per task, *phases* describe
how it is trained, an *evaluation* contains metrics, and a *report* contains tables and plots. A *study* searches all of it, and
the command line `mtl-keras` runs studies.

Names are imported on first use, so that `import mtl_keras` imports neither TensorFlow nor Keras.

Example:
    >>> import mtl_keras as mtl
    >>> tasks = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
    >>> data = mtl.data.load("digits", tasks)
    >>> model = mtl.build_model(tasks, backbone="SmallCNN", image_shape=data.image_shape, shared=(64,))
    >>> run = mtl.train(model, data, mtl.Phase(epochs=5, weighting={"digit": 0.7, "parity": 0.3}))
    >>> mtl.evaluate(run.model, data).value("digit", "accuracy") > 0.5
    True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtl_keras import callbacks, data, explain, report, runs, search, sharing, tasks, weighting
    from mtl_keras.backbones import Backbone
    from mtl_keras.comparison import compare
    from mtl_keras.evaluation import evaluate
    from mtl_keras.heads import Decoder, Head
    from mtl_keras.model import Recipe, build_model
    from mtl_keras.runs import Plan
    from mtl_keras.saving import load_model
    from mtl_keras.search import Study, load_study, reproduce, tune
    from mtl_keras.tasks import (
        Binary,
        Classification,
        ClassMap,
        MultiLabel,
        Ordinal,
        RandomLabels,
        Reconstruction,
        Regression,
        Tasks,
    )
    from mtl_keras.training import Phase, train

    __version__: str

# A name is here if the README, a study or a notebook uses it. Everything else is in its package.
__all__ = [
    "Backbone",
    "Binary",
    "ClassMap",
    "Classification",
    "Decoder",
    "Head",
    "MultiLabel",
    "Ordinal",
    "Phase",
    "Plan",
    "RandomLabels",
    "Recipe",
    "Reconstruction",
    "Regression",
    "Study",
    "Tasks",
    "__version__",
    "build_model",
    "callbacks",
    "compare",
    "data",
    "evaluate",
    "explain",
    "load_model",
    "load_study",
    "report",
    "reproduce",
    "runs",
    "search",
    "sharing",
    "tasks",
    "train",
    "tune",
    "weighting",
]

#: Public names by the package they are defined in.
_HOMES = {
    "backbones": ("Backbone",),
    "comparison": ("compare",),
    "evaluation": ("evaluate",),
    "heads": ("Decoder", "Head"),
    "model": ("Recipe", "build_model"),
    "runs": ("Plan",),
    "saving": ("load_model",),
    "search": ("Study", "load_study", "reproduce", "tune"),
    "tasks": (
        *("Binary", "ClassMap", "Classification", "MultiLabel", "Ordinal"),
        *("RandomLabels", "Reconstruction", "Regression", "Tasks"),
    ),
    "training": ("Phase", "train"),
}
#: Public packages.
_MODULES = ("callbacks", "data", "explain", "report", "runs", "search", "sharing", "tasks", "weighting")
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mtl-keras")
    except PackageNotFoundError:
        return "0+unknown"  # a checkout on the path that was never installed


def __getattr__(name: str) -> Any:
    value: Any
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    elif name == "__version__":
        value = _version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
