"""Decoding image files: what they say about their pixels is followed, and every failure names the file."""

from __future__ import annotations

import ast
import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from PIL.PngImagePlugin import PngInfo

from mtl_keras.data import _decode
from mtl_keras.data._decode import MAX_PIXELS, ImageError, UndecodableImage, check_header, decode_image, read_facts

#: 64 levels of 16 bits, of which 63 are above 255.
LEVELS = (np.arange(64) * 1024).astype(np.uint16).reshape(8, 8)
#: 12 different pixels in 3 rows.
COLORS = np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7

#: How an image lies upright whose EXIF orientation is the number, by the table of the EXIF standard.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def store(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_depth(ending: str, tmp_path: Path) -> None:
    decoded = decode_image(store(tmp_path / f"gray.{ending}", LEVELS))
    assert len(np.unique(decoded)) == 64
    np.testing.assert_array_equal(decoded, np.repeat(LEVELS[..., None] // 256, 3, axis=2))


def test_values_from_white_to_black_are_inverted_and_unknown_ranges_refused(tmp_path: Path) -> None:
    Image.fromarray(LEVELS).save(tmp_path / "inverted.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(decode_image(tmp_path / "inverted.tif")[..., 0], 255 - LEVELS // 256)
    for name, dtype in (("float", np.float32), ("long", np.int32)):
        with pytest.raises(UndecodableImage, match=rf"{name}\.tif: its pixels are signed, or of 32 bits; convert them"):
            decode_image(store(tmp_path / f"{name}.tif", LEVELS.astype(dtype)))


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_the_orientation_is_applied(ending: str, tmp_path: Path) -> None:
    for orientation, upright in UPRIGHT.items():
        exif = Image.Exif()
        exif[274] = orientation
        path = store(
            tmp_path / f"{orientation}.{ending}", COLORS, exif=exif, **({"lossless": True} if ending == "webp" else {})
        )
        np.testing.assert_array_equal(decode_image(path), upright(COLORS), f"orientation {orientation}")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "I;16B"])
def test_the_orientation_of_files_that_pillow_maps_into_memory_is_applied(mode: str, tmp_path: Path) -> None:
    """Opened by its path, an uncompressed TIFF of such a mode that lies on its side has its rows mixed up by Pillow."""
    gray = COLORS[..., 0]
    if mode.startswith("I"):
        image = Image.frombytes(
            mode, (4, 3), (gray.astype(np.uint16) * 256).astype(">u2" if mode == "I;16B" else "<u2").tobytes()
        )
        expected = np.repeat(gray[..., None], 3, axis=2)
    else:
        image = Image.fromarray(gray if mode in ("L", "P") else COLORS).convert(mode)
        expected = np.asarray(image.convert("RGB"))
    for orientation, upright in UPRIGHT.items():
        image.save(tmp_path / "scan.tif", tiffinfo={274: orientation})
        np.testing.assert_array_equal(decode_image(tmp_path / "scan.tif"), upright(expected), f"orientation {orientation}")


def test_a_jpeg_is_turned_before_it_is_resized(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    decoded = decode_image(store(tmp_path / "photo.jpg", pixels, exif=exif, quality=100), (4, 2))
    assert decoded[0].max() <= 5
    assert decoded[-1].min() >= 250, "the right half lies below"


def test_transparent_pixels_are_composited_over_white(tmp_path: Path) -> None:
    red = np.full((1, 3, 4), (255, 0, 0, 255), np.uint8)
    red[0, :, 3] = (0, 128, 255)
    for name, options in (("red.png", {}), ("red.webp", {"lossless": True, "exact": True})):
        # 128 of 255 red, and the rest white.
        assert decode_image(store(tmp_path / name, red, **options)).tolist() == [[[255] * 3, [255, 127, 127], [255, 0, 0]]]
    palette = Image.fromarray(COLORS).quantize(4)
    palette.save(tmp_path / "clear.gif", transparency=2)
    assert (decode_image(tmp_path / "clear.gif")[np.asarray(palette) == 2] == 255).all()
    decoded = decode_image(store(tmp_path / "clear.png", LEVELS, transparency=1024))
    assert decoded[0, :3, 0].tolist() == [0, 255, 8]


def png(depth: int, color_type: int, rows: list[bytes], clear: bytes) -> bytes:
    """A PNG of one pixel a row in the given depth, whose transparent color is `clear`."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, len(rows), depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = {b"IHDR": header, b"tRNS": clear, b"IDAT": pixels, b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts.items())


@pytest.mark.parametrize(("depth", "levels"), [(1, 2), (2, 4), (4, 16)])
def test_a_transparent_gray_of_few_bits_is_composited(depth: int, levels: int, tmp_path: Path) -> None:
    rows = [bytes([level << (8 - depth)]) for level in range(levels)]
    (tmp_path / "clear.png").write_bytes(png(depth, 0, rows, struct.pack(">H", 1)))
    expected = [255 if level == 1 else level * 255 // (levels - 1) for level in range(levels)]
    assert decode_image(tmp_path / "clear.png")[:, 0].tolist() == [[value] * 3 for value in expected]


def test_a_transparent_color_of_sixteen_bits_is_composited(tmp_path: Path) -> None:
    colors = [struct.pack(">HHH", 300, 600, 900), struct.pack(">HHH", 9000, 600, 900)]
    (tmp_path / "clear.png").write_bytes(png(16, 2, colors, colors[0]))
    assert decode_image(tmp_path / "clear.png").tolist() == [[[255] * 3], [[9000 // 256, 2, 3]]]


@pytest.mark.parametrize(("mode", "ending"), [("RGB", "jpg"), ("L", "jpg"), ("CMYK", "jpg"), ("P", "png"), ("1", "bmp")])
def test_other_files_are_what_pillow_reads(mode: str, ending: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).convert(mode).save(tmp_path / f"a.{ending}")
    with Image.open(tmp_path / f"a.{ending}") as image:
        expected = image.convert("RGB")
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{ending}"), np.asarray(expected))
    resized = expected.resize((7, 9), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode_image(tmp_path / f"a.{ending}", (9, 7)), np.asarray(resized))


def test_no_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: started.append("gs"))
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    (tmp_path / "photo.jpg").write_bytes(text)
    for read in (decode_image, check_header):
        with pytest.raises(UndecodableImage, match=r"photo\.jpg: its content is of another kind"):
            read(tmp_path / "photo.jpg")
    assert not started


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_an_error(tmp_path: Path) -> None:
    # The header of a bitmap of .5 GB; Pillow itself only warns of it.
    header = struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 13_000, 13_001, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "large.png").write_bytes(b"BM" + header)
    for read in (decode_image, check_header):
        with pytest.raises(
            ImageError, match=rf"at most {MAX_PIXELS:,} pixels\. Received: .*large\.png: 13001 x 13000 px\. Reduce"
        ):
            read(tmp_path / "large.png")


def with_text() -> bytes:
    """A PNG with a text that is too large for Pillow, which raises a ValueError."""
    stream, info = io.BytesIO(), PngInfo()
    info.add_text("note", "x" * 3_000_000, zip=True)
    Image.fromarray(COLORS).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def with_wrong_tag() -> bytes:
    """A TIFF whose tag of sizes is a text, over which Pillow raises a TypeError."""
    stream = io.BytesIO()
    Image.fromarray(COLORS[..., 0]).save(stream, "TIFF")
    content = bytearray(stream.getvalue())
    content[72] = 2
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_text(), "Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK"),
        (with_wrong_tag(), "TypeError 'str' object cannot be"),
        (b"text", "its content is of another kind"),
        (b"", "it is empty"),
    ],
)
def test_what_a_decoder_raises_names_the_file(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(UndecodableImage) as caught:
        decode_image(tmp_path / "photo.jpg")
    assert str(caught.value).startswith("An image must be a readable JPEG, PNG, WebP, GIF, BMP or TIFF file. Received: ")
    assert f"photo.jpg: {reason}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UndecodableImage, match=r"none\.png: No such file or directory\. Replace it"):
        decode_image(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_facts_are_those_of_the_upright_image(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    ramp = np.linspace(0, 255, 480).astype(np.uint8)[None, :, None]
    pixels = np.broadcast_to(ramp, (320, 480, 3)) // np.array([1, 2, 4], np.uint8)
    path = store(tmp_path / "a.jpg", pixels, quality=95, exif=exif.tobytes())
    facts, upright = read_facts(path, 16), decode_image(path)
    assert (facts.height, facts.width, facts.mode) == (*upright.shape[:2], "RGB")
    assert facts.pixels.shape == (16, 16, 3)
    # It is decoded in an eighth of its size, which differs from the whole one by rounding.
    np.testing.assert_allclose(facts.pixels, decode_image(path, (16, 16)), atol=6)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    paths = [store(tmp_path / f"{name}.png", COLORS) for name in "ab"]
    other = store(tmp_path / "c.png", COLORS + np.uint8(1))
    one, same, different = (read_facts(path, 8).digest for path in (*paths, other))
    assert one == same != different
    assert 0 <= one < 2**64


def test_facts_need_all_pixels(tmp_path: Path) -> None:
    path = store(tmp_path / "a.jpg", np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    check_header(path)
    with pytest.raises(UndecodableImage, match=r"a\.jpg: image file is truncated"):
        read_facts(path, 8)


# What is asked for -----------------------------------------------------------------------------------------------------


def test_it_needs_nothing_but_numpy_and_pillow(tmp_path: Path) -> None:
    """A copy of the file alone decodes; a service has neither this package nor TensorFlow."""
    tree = ast.parse(Path(_decode.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= {"numpy", "PIL", "__future__", *sys.stdlib_module_names}
    copy, path = tmp_path / "decoder.py", store(tmp_path / "a.png", COLORS)
    copy.write_bytes(Path(_decode.__file__).read_bytes())
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('decoder', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['decoder'] = module\n"
        "spec.loader.exec_module(module)\n"
        "print(module.decode_image(sys.argv[2]).tolist())\n"
        "assert not {'mtl_keras', 'keras', 'tensorflow', 'pandas'} & set(sys.modules)\n"
        "try:\n    module.decode_image('none.png')\n"
        "except module.UndecodableImage as error:\n    assert isinstance(error, ValueError), error\n"
    )
    command = [sys.executable, "-c", program, str(copy), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == COLORS.tolist()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "PA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_the_channels_that_are_asked_for(mode: str, channels: int, tmp_path: Path) -> None:
    path, photo = tmp_path / "a.tif", Image.fromarray(COLORS)
    if mode == "PA":
        path = tmp_path / "a.png"
        photo.convert("P").save(path, transparency=255)
    else:
        photo.convert(mode).save(path)
    color, decoded = decode_image(path), decode_image(path, channels=channels)
    assert (decoded.shape, decoded.dtype.name) == ((3, 4, channels), "uint8")
    expected = color if channels == 3 else np.asarray(Image.fromarray(color).convert("L"))[..., None]
    np.testing.assert_array_equal(decoded, expected)


def test_gray_values_stay_as_they_are(tmp_path: Path) -> None:
    path = store(tmp_path / "a.png", COLORS[..., 0])
    np.testing.assert_array_equal(decode_image(path, channels=1)[..., 0], COLORS[..., 0])
    deep = store(tmp_path / "deep.png", LEVELS)
    np.testing.assert_array_equal(decode_image(deep, channels=1)[..., 0], LEVELS >> 8)


@pytest.mark.parametrize(("background", "expected"), [((0, 0, 0), [128, 0, 0]), ((0, 255, 0), [128, 127, 0])])
def test_transparent_pixels_are_composited_over_the_color(
    background: tuple[int, int, int], expected: list[int], tmp_path: Path
) -> None:
    path = store(tmp_path / "a.png", np.array([[[255, 0, 0, 128], [9, 9, 9, 0]]], np.uint8))
    decoded = decode_image(path, background=background)
    assert decoded.tolist() == [[expected, list(background)]]
    gray = decode_image(path, background=background, channels=1)
    np.testing.assert_array_equal(gray[..., 0], np.asarray(Image.fromarray(decoded).convert("L")))


def test_a_limit_of_pixels_of_ones_own(tmp_path: Path) -> None:
    path = store(tmp_path / "a.png", COLORS)
    assert decode_image(path, max_pixels=12).shape == (3, 4, 3)
    for read in (decode_image, check_header, lambda file, **limit: read_facts(file, 8, **limit)):
        with pytest.raises(ImageError, match=r"at most 11 pixels\. Received: .*a\.png: 3 x 4 px\. Reduce it"):
            read(path, max_pixels=11)
