"""Tables of your own: reading them, inferring what their columns are, and study files.

No Keras and no TensorFlow: what leaves TensorFlow is not made of it.
"""

from __future__ import annotations

from mtl_keras.tables._bytes import format_of
from mtl_keras.tables._files import IMAGE_SUFFIXES
from mtl_keras.tables._infer import Inference, InferredColumn, infer_columns
from mtl_keras.tables._read import Table, read_table
from mtl_keras.tables._study_file import StudyFile, read_study_file

__all__ = [
    "IMAGE_SUFFIXES",
    "Inference",
    "InferredColumn",
    "StudyFile",
    "Table",
    "format_of",
    "infer_columns",
    "read_study_file",
    "read_table",
]
