"""What a study may get wrong: one line that names the offender, exit code 2, and nothing trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_keras.runs import Options
from mtl_keras.search import load_study, prepare
from tests.integration._tiny import command

STUDY = '''"""Digits, with a fault."""
import mtl_keras as mtl

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("large", label=LABEL))
LAYERS = {"shared": mtl.Head(dense=(4,))}


def load(tasks, data_dir, seed):
    return DATA


def space(hp, context):
    recipe = mtl.Recipe(context.tasks, mtl.Backbone("SmallCNN", filters=(2,)), context.image_shape, **LAYERS, STACK)
    return mtl.Plan(recipe, (mtl.Phase(epochs=1, PHASE),))


STUDY = mtl.Study("faulty", "A fault.", TASKS, load, SHAPE, space)
'''
FINE = {
    "LABEL": 'mtl.ClassMap("digit", {"small": range(5), "large": range(5, 10)})',
    "DATA": 'mtl.data.load("digits", tasks)',
    "STACK": "stack={}",
    "PHASE": "tasks=None",
    "SHAPE": "(8, 8, 1)",
}
FOLDERS = (
    'mtl.data.from_folders(data_dir, mtl.Tasks(mtl.Classification("digit", classes=2)), levels=("digit",), '
    "validation_per_class=1, test_per_class={})"
)


def write(folder: Path, **changes: str) -> Path:
    text = STUDY
    for word, default in FINE.items():
        text = text.replace(word, changes.get(word, default))
    path = folder / "faulty.py"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, *options: object, **changes: str) -> str:
    """The one line that the command line says."""
    done = command("train", write(folder, **changes), "--output-dir", folder / "run", *options)
    assert done.code == 2, done.err
    assert not (folder / "run").exists()
    line = done.err.splitlines()[-1]
    assert line.startswith("mtl-keras: ")
    assert "Traceback" not in done.err
    return line


def test_without_a_fault_it_is_accepted(tmp_path: Path) -> None:
    study = load_study(write(tmp_path))
    assert list(prepare(study, "train", {}, Options(output_dir=tmp_path / "run")).data.tasks) == ["digit", "large"]


@pytest.mark.parametrize(
    ("changes", "offender"),
    [
        ({"LABEL": 'mtl.ClassMap("digit", {"small": range(5), "large": range(5, 9)})'}, "without class 9"),
        ({"LABEL": 'mtl.ClassMap("digit", {"small": range(5), "large": range(5, 11)})'}, "'10'"),
        ({"LABEL": 'mtl.ClassMap("digit", {"small": range(6), "large": range(5, 10)})'}, "5 in 'small' and 'large'"),
        ({"LABEL": 'mtl.ClassMap("number", {"small": range(5), "large": range(5, 10)})'}, "'number'"),
        ({"LABEL": 'mtl.ClassMap("digit", {"small": range(10), "large": ()})'}, "none for 'large'"),
        ({"LABEL": 'mtl.tasks.binary_tasks(2, "digit", 10, n_random=3)'}, "n_random=3, n=2"),
        ({"STACK": 'stack={"digit": "large", "large": "digit"}'}, "circular"),
        ({"STACK": 'stack={"digit": "digit"}'}, "digit"),
        ({"STACK": 'stack={"digit": "larg"}'}, "Did you mean 'large'"),
        ({"PHASE": 'tasks=("larg",)'}, "Did you mean 'large'"),
        ({"PHASE": 'freeze=("shard",)'}, "Did you mean 'shared'"),
        ({"PHASE": 'monitor="val_larg_accuracy"'}, "Did you mean 'val_large_accuracy'"),
    ],
)
def test_a_fault_is_told_in_one_line(tmp_path: Path, changes: dict[str, str], offender: str) -> None:
    assert offender in refused(tmp_path, **changes)


def photos(root: Path, sizes: dict[str, list[tuple[int, int]]]) -> Path:
    for name, each in sizes.items():
        (root / name).mkdir(parents=True)
        for number, (height, width) in enumerate(each):
            Image.fromarray(np.full((height, width, 3), number, np.uint8)).save(root / name / f"{number}.png")
    return root


def test_a_split_that_leaves_a_class_empty_names_the_class(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", {"a": [(8, 8)] * 5, "b": [(8, 8)] * 2})
    line = refused(tmp_path, "--data-dir", root, DATA=FOLDERS.format(1), SHAPE="(8, 8, 3)")
    assert "2 of 'b'" in line


def test_images_of_two_sizes_name_both(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos", {"a": [(8, 8)] * 3, "b": [(8, 8), (8, 9), (8, 8)]})
    line = refused(tmp_path, "--data-dir", root, DATA=FOLDERS.format(0), SHAPE="(8, 8, 3)")
    assert "8 x 8 px" in line
    assert "8 x 9 px" in line
    assert "image_size" in line


def test_one_seed_makes_no_spread(tmp_path: Path) -> None:
    done = command("compare", write(tmp_path), "--approach", "equal", "--seeds", 1, "--output-dir", tmp_path / "run")
    assert done.code == 2
    assert "an integer in [2, 1000000]" in done.err.splitlines()[-1]
