"""The restricted reader of legacy PyTorch files, on files written opcode by opcode, since PyTorch is not installed."""

from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from mtl_keras.backbones._efficientnet_lite import SHA256, weights_path
from mtl_keras.backbones._torch_legacy import MAGIC, PROTOCOL, read_state_dict
from mtl_keras.errors import MTLError

DICT = b"ccollections\nOrderedDict\n)R"
FLOATS = np.arange(6, dtype="<f4")
LONGS = np.array([-1, 1 << 40], dtype="<i8")


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integers(*values: int) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(
    key: str, size: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], kind: str = "torch\nFloatStorage"
) -> bytes:
    storage = b"(" + text("storage") + b"c" + kind.encode() + b"\n" + text(key) + text("cpu") + integers(size)[1:-1] + b"NtQ"
    where = integers(offset)[1:-1] + integers(*shape) + integers(*strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + where + b"\x89" + DICT + b"tR"


def state(**entries: bytes) -> bytes:
    items = b"".join(text(name) + entry for name, entry in entries.items())
    # BUILD, which PyTorch uses to attach `_metadata` to the dictionary.
    return b"\x80\x02" + DICT + b"(" + items + b"u}" + text("_metadata") + DICT + b"sb."


GOOD = {
    "rows": tensor("a", 6, 0, (2, 3), (3, 1)),
    "columns": tensor("a", 6, 0, (3, 2), (1, 3)),
    "last": tensor("a", 6, 5, (), ()),
    "steps": tensor("b", 2, 0, (2,), (1,), "torch\nLongStorage"),
}


def whole(pickled: bytes, *, magic: bytes = pickle.dumps(MAGIC, 2), little_endian: bool = True) -> bytes:
    head = magic + pickle.dumps(PROTOCOL, 2) + pickle.dumps({"little_endian": little_endian}, 2)
    storages = b"".join(struct.pack("<q", len(array)) + array.tobytes() for array in (FLOATS, LONGS))
    return head + pickled + pickle.dumps(["a", "b"], 2) + storages


def read(folder: Path, data: bytes) -> dict[str, np.ndarray]:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return read_state_dict(path, hashlib.sha256(data).hexdigest())


def test_tensors_are_views_into_storages(tmp_path: Path) -> None:
    tensors = read(tmp_path, whole(state(**GOOD)))
    assert list(tensors) == ["rows", "columns", "last", "steps"]
    np.testing.assert_array_equal(tensors["rows"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tensors["columns"], [[0, 3], [1, 4], [2, 5]])
    assert tensors["last"] == 5
    np.testing.assert_array_equal(tensors["steps"], LONGS)
    assert [t.dtype for t in tensors.values()] == [np.float32] * 3 + [np.int64]


@pytest.mark.parametrize(
    "name",
    [
        "posix\nsystem",
        "os\nmkdir",
        "builtins\neval",
        "torch\nDoubleStorage",
        "torch._utils\n_rebuild_tensor",
        "collections\nCounter",
    ],
)
def test_any_other_global_is_refused_before_it_is_called(tmp_path: Path, name: str) -> None:
    created = tmp_path / "created"
    call = b"c" + name.encode() + b"\n(" + text(str(created)) + b"tR"
    with pytest.raises(MTLError, match=name.replace("\n", r"\.")):
        read(tmp_path, whole(state(**GOOD, evil=call)))
    # The first pickle of the file is read with the same restrictions as the fourth.
    with pytest.raises(MTLError, match=name.replace("\n", r"\.")):
        read(tmp_path, whole(state(**GOOD), magic=b"\x80\x02" + call + b"."))
    assert not created.exists()


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = whole(state(**GOOD))
    for end in range(len(data)):
        with pytest.raises(MTLError, match="complete legacy PyTorch state dict"):
            read(tmp_path, data[:end])
    with pytest.raises(MTLError, match="storage b is truncated"):
        read(tmp_path, data[:-1])


def test_an_altered_byte_is_read_or_refused(tmp_path: Path) -> None:
    data = whole(state(**GOOD))
    refused = 0
    for place in range(0, len(data), 5):
        try:
            read(tmp_path, data[:place] + bytes([data[place] ^ 0x24]) + data[place + 1 :])
        except MTLError:
            refused += 1
    assert refused > len(data) / 10


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (whole(state(**GOOD)) + b"\0", "data follows"),
        (whole(state(**GOOD), magic=pickle.dumps(7, 2)), "magic number"),
        (whole(state(**GOOD), little_endian=False), "big-endian"),
        (whole(state(**GOOD, number=b"K\x01")), "values other than tensors"),
        (whole(state(**GOOD, far=tensor("a", 6, 1, (2, 3), (3, 1)))), "past the end"),
        (whole(state(**GOOD, vast=tensor("a", 6, 0, (1 << 30, 1 << 30), (0, 0)))), "past the end"),
        (whole(state(**GOOD, back=tensor("a", 6, 5, (2,), (-1,)))), "not counts"),
        (whole(state(rows=tensor("a", 5, 0, (5,), (1,)), steps=GOOD["steps"])), "does not have the size"),
    ],
)
def test_inconsistent_files_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(MTLError, match=reason) as caught:
        read(tmp_path, data)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_checksum_is_not_even_parsed(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(whole(state(**GOOD)))
    with pytest.raises(MTLError, match="SHA-256"):
        read_state_dict(path, "0" * 64)


def test_the_published_file_is_read_completely() -> None:
    tensors = read_state_dict(weights_path(), SHA256)
    assert len(tensors) == 296
    assert sum(t.size for name, t in tensors.items() if "running" not in name and "tracked" not in name) == 4_652_008
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_bn0.num_batches_tracked"].dtype == np.int64
    assert all(np.isfinite(t).all() for t in tensors.values())
