"""The picture of a network: what its boxes say, that all of it can be read, and that many heads stay legible."""

from __future__ import annotations

import itertools
import re
from typing import Any

import keras
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation

import mtl_keras as mtl
from mtl_keras.errors import MTLError
from mtl_keras.report import plot_network

SHAPE = (16, 16, 3)


def boxes(figure: Figure) -> dict[str, list[str]]:
    """The lines of each box by its title, which is bold."""
    found: dict[str, list[str]] = {}
    for text in figure.axes[0].texts:
        if text.get_text() and text.get_fontweight() == "bold":
            found[text.get_text()] = []
        elif text.get_text():
            found[[*found][-1]].append(text.get_text().strip())
    return found


def faults(figure: Figure) -> list[str]:
    """Texts that leave their box or the picture, and boxes that overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer: Any = canvas.get_renderer()
    axes = figure.axes[0]
    areas = [patch.get_window_extent(renderer) for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    found = [f"{one} and {other}" for one, other in itertools.combinations(areas, 2) if one.overlaps(other)]
    whole = figure.bbox
    for text in axes.texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            inside = [
                area for area in areas if area.x0 <= box.x0 and area.x1 >= box.x1 and area.y0 <= box.y0 and area.y1 >= box.y1
            ]
            found += [] if len(inside) == 1 else [text.get_text()]
    found += [str(area) for area in areas if area.x0 < 0 or area.y0 < 0 or area.x1 > whole.x1 or area.y1 > whole.y1]
    return found


def arrows(figure: Figure) -> list[tuple[Any, Any]]:
    """Start and end of each arrow."""
    return [(text.xyann, text.xy) for text in figure.axes[0].texts if isinstance(text, Annotation)]


def several() -> mtl.MultiTaskModel:
    tasks = mtl.Tasks(
        mtl.Classification("kind", classes=7), mtl.Binary("old"), mtl.Reconstruction("image"), mtl.Regression("age")
    )
    return mtl.build_model(
        tasks,
        mtl.Backbone("SmallCNN", filters=(4, 8), dropout=0.25, pooling=None),
        image_shape=SHAPE,
        shared=mtl.Head(dense=(6,), pooling="avg", dropout=0.5),
        heads={"kind": mtl.Head(dense=(5,)), "image": mtl.Decoder(latent=3, filters=(4, 2))},
    )


def many() -> mtl.MultiTaskModel:
    tasks = mtl.Tasks(mtl.Classification("kind", classes=7), *(mtl.Binary(f"question_{number}") for number in range(59)))
    return mtl.build_model(tasks, "SmallCNN", image_shape=SHAPE, shared=(8,))


def test_each_part_has_a_box_with_its_layers() -> None:
    found = boxes(plot_network(several()))
    assert [*found] == [
        *("input", "backbone SmallCNN", "shared layers"),
        *("kind (Classification)", "old (Binary)", "age (Regression)", "image (Reconstruction)"),
    ]
    assert found["input"] == ["16×16×3"]
    assert "Conv2D 3×3, stride 2 → 8×8×4, BatchNormalization, ReLU, Dropout 0.25" in " ".join(found["backbone SmallCNN"])
    assert found["shared layers"] == ["GlobalAveragePooling2D → 8", "Dense (relu) → 6, Dropout 0.5", "54 parameters"]
    assert found["kind (Classification)"] == ["Dense (relu) → 5", "Dense (softmax) → 7", "77 parameters"]
    assert found["age (Regression)"][-1] == "9 parameters, 7 trained"
    assert "Conv2DTranspose 3×3 (sigmoid) → 16×16×3" in " ".join(found["image (Reconstruction)"])


@pytest.mark.parametrize("build", [several, many])
def test_the_parameters_of_all_boxes_are_those_of_the_model(build: Any) -> None:
    model = build()
    figure = plot_network(model)
    counts = {title: re.search(r"([\d,]+) parameters?", " ".join(lines)) for title, lines in boxes(figure).items()}
    own = {title: int(count[1].replace(",", "")) for title, count in counts.items() if count}
    if build is many:
        # 58 more heads with as many parameters as the one that is drawn.
        own["58 heads like question_0"] = 58 * own["question_0 (Binary)"]
    assert sum(own.values()) == model.count_params()
    assert f"{model.count_params():,} parameters" in figure.axes[0].get_title()


def test_equal_heads_of_many_are_drawn_once() -> None:
    found = boxes(plot_network(many()))
    heads = [*found][3:]
    assert heads == ["kind (Classification)", "question_0 (Binary)", "58 heads like question_0"]
    assert found[heads[-1]][0].startswith("question_1, question_2")
    assert found[heads[-1]][-1].endswith("question_58")


def test_of_very_many_different_heads_the_last_are_counted() -> None:
    tasks = mtl.Tasks(*(mtl.Classification(f"task_{number}", classes=number + 2) for number in range(30)))
    figure = plot_network(mtl.build_model(tasks, "SmallCNN", image_shape=SHAPE))
    assert [*boxes(figure)][-1] == "19 more heads"
    assert faults(figure) == []


@pytest.mark.parametrize("build", [several, many])
def test_everything_can_be_read(build: Any) -> None:
    figure = plot_network(build())
    assert faults(figure) == []
    wide, high = figure.get_size_inches()
    assert wide <= 12
    assert high <= 12


def test_a_frozen_deep_backbone_is_one_line() -> None:
    tasks = mtl.Tasks(mtl.Binary("odd"))
    model = mtl.build_model(tasks, "CifarEfficientNetB0", image_shape=(32, 32, 3), freeze=True)
    lines = boxes(plot_network(model))["backbone CifarEfficientNetB0"]
    assert re.fullmatch(r"\d+ layers → 320", lines[0])
    assert lines[-1].endswith("parameters, frozen")


def test_a_stacked_head_has_an_arrow_from_the_features_and_from_its_source() -> None:
    tasks = mtl.Tasks(mtl.Classification("landmark", classes=4), mtl.Classification("place", classes=2))
    alone = len(arrows(plot_network(mtl.build_model(tasks, image_shape=SHAPE))))
    figure = plot_network(mtl.build_model(tasks, image_shape=SHAPE, stack={"place": "landmark"}))
    assert len(arrows(figure)) == alone + 1
    # From the right, where no features come from.
    assert any(start[0] > end[0] for start, end in arrows(figure))
    assert faults(figure) == []


def test_a_derived_head_has_an_arrow_from_its_source_only() -> None:
    derived = mtl.Classification("place", classes=2, derive_from="landmark", mapping=(0, 0, 1, 1))
    figure = plot_network(mtl.build_model(mtl.Tasks(mtl.Classification("landmark", classes=4), derived), image_shape=SHAPE))
    # Input to backbone, backbone to landmark, landmark to place.
    assert len(arrows(figure)) == 3
    assert boxes(figure)["place (Classification)"][-1] == "no parameters"


def test_a_model_of_keras_is_refused() -> None:
    model: Any = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(MTLError, match="must be a model of mtl_keras"):
        plot_network(model)
