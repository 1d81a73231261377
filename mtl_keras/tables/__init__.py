"""Tables of your own: reading them, inferring what their columns are, and turning columns into the numbers of a network.

All of it is made of NumPy, pandas and plain JSON values, so that what predicts needs neither Keras nor TensorFlow. A
`TableEncoder` learns from training rows how numbers, categories, booleans and dates become one row of float32, and does the
same for every other table:

    >>> import pandas as pd
    >>> from mtl_keras.tables import TableEncoder
    >>> frame = pd.DataFrame({"age": [30.0, 40.0, None], "city": ["Rome", "Oslo", "Rome"]})
    >>> encoder = TableEncoder.fit(frame, {"age": "number", "city": "category"})
    >>> encoder.transform(frame)[0].tolist()
    [[30.0, 2.0], [40.0, 1.0], [nan, 2.0]]

`encoder.columns` says what the graph must know of each column: mean, standard deviation, and the number of codes.
"""

from __future__ import annotations

from mtl_keras.tables._bytes import format_of, name_of
from mtl_keras.tables._column import KINDS, Column, describe_difference
from mtl_keras.tables._encoder import ENCODER, TableEncoder
from mtl_keras.tables._files import IMAGE_SUFFIXES
from mtl_keras.tables._infer import Inference, InferredColumn, infer_columns
from mtl_keras.tables._read import Table, read_table
from mtl_keras.tables._study_file import StudyFile, read_study_file
from mtl_keras.tables._values import read_categories, to_numbers

__all__ = [
    "ENCODER",
    "IMAGE_SUFFIXES",
    "KINDS",
    "Column",
    "Inference",
    "InferredColumn",
    "StudyFile",
    "Table",
    "TableEncoder",
    "describe_difference",
    "format_of",
    "infer_columns",
    "name_of",
    "read_categories",
    "read_study_file",
    "read_table",
    "to_numbers",
]
