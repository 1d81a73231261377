"""Arguments of the wrong type: each either works or is refused in one line with rule, received value and remedy."""

from __future__ import annotations

import re
from typing import Any

import keras
import pytest

import mtl_keras as mtl
from mtl_keras.errors import MTLError, describe
from tests import _tiny

TASKS = mtl.Tasks(mtl.Classification("kind", classes=3), mtl.Binary("odd"))
SMALL = mtl.Backbone("SmallCNN", filters=(4,))


def test_short_forms_are_accepted() -> None:
    recipe = mtl.Recipe(list(TASKS.values()), "SmallCNN", [8, 8, 1], shared=(6,), heads={"odd": (3,)})  # type: ignore[arg-type,dict-item]
    expected = mtl.Recipe(
        TASKS, mtl.Backbone("SmallCNN"), (8, 8, 1), shared=mtl.Head(dense=(6,)), heads={"odd": mtl.Head(dense=(3,))}
    )
    assert recipe == expected
    assert mtl.build_model(mtl.Binary("odd"), image_shape=(8, 8, 1)).output_names == ["odd"]  # type: ignore[arg-type]
    built = mtl.build_model(TASKS, "SmallCNN", image_shape=[8, 8, 1], shared=[6], heads={"odd": [3]})
    assert built.recipe == expected


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"tasks": "odd"}, "`tasks` must be a mtl.Tasks or a sequence of tasks. Received: 'odd'. Pass e.g."),
        ({"tasks": mtl.Binary}, "Received: the class Binary."),
        ({"tasks": [mtl.Binary]}, "must hold task objects. Received: the class Binary."),
        ({"backbone": mtl.Backbone}, "`backbone` must be a name or a mtl.Backbone. Received: the class Backbone."),
        ({"backbone": None}, "Received: None. Pass e.g. 'SmallCNN'"),
        ({"backbone": keras.Sequential}, "Received: the class Sequential."),
        ({"image_shape": 8}, "`image_shape` must be (height, width, channels). Received: image_shape=8. Pass image_shape="),
        ({"image_shape": (8, 8)}, "`image_shape` must be (height, width, channels). Received: (8, 8)."),
        (
            {"image_shape": (None, None, 3)},
            "`image_shape` must be fully specified. Received: (None, None, 3). Pass image_shape=",
        ),
        ({"image_shape": None}, "`image_shape` must be "),
        ({"shared": 64}, "Received: "),
        ({"shared": mtl.Head}, "Received: "),
        (
            {"shared": mtl.Decoder()},
            "`shared` must be a sharing method or the units of a dense stack. Received: an object of type Decoder",
        ),
        ({"heads": mtl.Head()}, "`heads` must map names to values. Received: heads=Head("),
        ({"heads": [mtl.Head()]}, "`heads` must map names to values. Received: heads=[Head("),
        (
            {"heads": {"odd": mtl.Head}},
            "A head must be a mtl.Head, a mtl.Decoder or the units of dense layers. Received: the class",
        ),
        ({"heads": {"odd": 64}}, "Received: 64. Pass e.g. (256,)."),
        ({"stack": "odd"}, "`stack` must map names to values. Received: stack='odd'."),
    ],
)
def test_other_types_are_refused(arguments: dict[str, Any], line: str) -> None:
    values = {"tasks": TASKS, "backbone": SMALL, "image_shape": (8, 8, 1), **arguments}
    for build in (mtl.Recipe, mtl.build_model):
        with pytest.raises(MTLError, match=re.escape(line)) as caught:
            build(**values)
        assert "\n" not in str(caught.value)


def test_a_keras_model_is_no_backbone() -> None:
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    with pytest.raises(MTLError, match=r"`backbone` must be a name or a mtl\.Backbone\. Received: <Functional name="):
        mtl.build_model(TASKS, model, image_shape=(8, 8, 1))


def test_training_refuses_other_types() -> None:
    model, data, phase = _tiny.model(), _tiny.data(16, 8), mtl.Phase(epochs=1, batch_size=8)
    for wrong in ([phase], mtl.Phase, 3, "adam"):
        with pytest.raises(MTLError, match=r"Phases must be passed one by one, each a mtl\.Phase\. Received: .*\. Pass e\.g\."):
            mtl.train(model, data, wrong, cache_dir=False)  # type: ignore[arg-type]
    with pytest.raises(MTLError, match=r"`data` must be a mtl\.data\.Data\. Received: tuple\. Use"):
        mtl.train(model, _tiny.rows(8, 0), phase)  # type: ignore[arg-type]
    with pytest.raises(MTLError, match=r"`model` must come from mtl\.build_model\. Received: Functional\. Pass"):
        mtl.train(model.plain(), data, phase)


@pytest.mark.parametrize(
    "approaches", [[mtl.Phase(epochs=1)], mtl.Phase(epochs=1), {"x": mtl.Phase}, {"x": [3]}, {"x": "adam"}]
)
def test_approaches_are_phases_by_name(approaches: Any) -> None:
    with pytest.raises(MTLError, match=r"must be .*mtl\.Phase.* Received: .* Pass e\.g\. ") as caught:
        mtl.compare(_tiny.model().recipe, _tiny.data(16, 8), approaches)
    assert "\n" not in str(caught.value)


def test_a_long_value_is_named_by_its_type() -> None:
    assert describe(list(range(100))) == "an object of type list"
    assert describe(int) == "the class int"
