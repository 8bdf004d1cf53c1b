"""Rigs made to hurt: each is refused in plain words, quickly, in little memory."""

import io
import json
import stat
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.renderer import Renderer
from visavis.avatar.rig import Rig, RigError
from visavis.media import I420

MOST_MEMORY = 128 << 20
"""A rig may hold 32 MiB and is read beside its file; packing an attack takes some, too."""
LONGEST_S = 15.0


@pytest.fixture
def files(saved: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(saved) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No attack takes much memory, or long."""
    tracemalloc.start()
    start = time.process_time()
    yield
    spent, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert spent < LONGEST_S


def zipped(
    files: dict[str, bytes], more: Callable[[zipfile.ZipFile], None] = lambda _: None
) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # duplicate names are what we want
        for name, data in files.items():
            archive.writestr(name, data)
        more(archive)
    return out.getvalue()


def entry(data: bytes | bytearray, name: str) -> int:
    """Where the directory's record of a member begins."""
    at = data.index(b"PK\x01\x02")
    while (size := struct.unpack_from("<H", data, at + 28)[0]) and data[
        at + 46 : at + 46 + size
    ] != name.encode():
        at = data.index(b"PK\x01\x02", at + 46)
    return at


def manifest(files: dict[str, bytes], **fields: object) -> dict[str, bytes]:
    changed = json.loads(files["avatar.json"]) | fields
    return files | {"avatar.json": json.dumps(changed).encode()}


def refused(data: bytes, reason: str) -> None:
    with pytest.raises(RigError, match=reason) as caught:
        rig.loads(data)
    assert len(str(caught.value)) < 400
    assert "\0" not in str(caught.value)


def test_bytes_are_read_as_files_are(saved: Path, files: dict[str, bytes]) -> None:
    again = rig.loads(zipped(files))
    np.testing.assert_array_equal(again.texture, rig.load(saved).texture)


@pytest.mark.parametrize("name", ["background.webp", "keys/a.webp", "x"])
def test_bombs(files: dict[str, bytes], name: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in files.items():
            archive.writestr(member, data)
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w") as stream:
            for _ in range(200):
                stream.write(bytes(1 << 20))
    assert len(out.getvalue()) < 2 << 20
    refused(out.getvalue(), "larger than")


def test_many_members_of_the_largest_size(files: dict[str, bytes]) -> None:
    fat = {f"keys/k{n}.webp": bytes(4 << 20) for n in range(12)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files | fat).items():
            archive.writestr(name, data)
    refused(out.getvalue(), "in all")


@pytest.mark.parametrize(
    "name",
    [
        *("../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x", "keys/../../x", "keys/", "./"),
        *("texture.webp ", "TEXTURE.WEBP", "Texture.webp", "tеxture.webp", "texture\u200b.webp"),
        *("\u202egnp.exe", "a" * 3000, "😀.webp", "keys/a/b.webp", "avatar.json/x"),
    ],
)
def test_names_that_lead_elsewhere_or_look_alike(files: dict[str, bytes], name: str) -> None:
    refused(zipped(files | {name: b"x"}), "does not belong|folder|too many files")


def test_a_name_twice(files: dict[str, bytes]) -> None:
    refused(zipped(files, lambda z: z.writestr("texture.webp", files["texture.webp"])), "twice")


@pytest.mark.parametrize("count", [60, 10_000])
def test_far_too_many_members(files: dict[str, bytes], count: int) -> None:
    extra = {f"k{n}": b"" for n in range(count)}
    refused(zipped(files | extra), "too many")


def test_members_that_share_their_bytes(files: dict[str, bytes]) -> None:
    """The bomb without nesting: many names for one stretch of the file."""
    data = bytearray(zipped(files))
    where = struct.unpack_from("<I", data, entry(data, "texture.webp") + 42)[0]
    struct.pack_into("<I", data, entry(data, "landmarks.f32") + 42, where)
    refused(bytes(data), "over another|zip")


def test_encrypted(files: dict[str, bytes]) -> None:
    data = bytearray(zipped(files))
    data[entry(data, "texture.webp") + 8] |= 1
    refused(bytes(data), "texture.webp' is encrypted")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_links_folders_and_devices(files: dict[str, bytes], kind: int) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("background.webp")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, b"/etc/passwd")

    refused(zipped(files, add), "not a file")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(files: dict[str, bytes], method: int) -> None:
    refused(
        zipped(files, lambda z: z.writestr("background.webp", b"x" * 99, compress_type=method)),
        "unusual",
    )


@pytest.mark.parametrize("field", [20, 24])
@pytest.mark.parametrize("value", [0, 1, 5000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_sizes_that_lie(files: dict[str, bytes], field: int, value: int) -> None:
    data = bytearray(zipped(files))
    struct.pack_into("<I", data, entry(data, "landmarks.f32") + field, value)
    refused(bytes(data), ".")


@pytest.mark.parametrize("value", [1, 7, 0x7FFFFFF0, 0xFFFFFFF0])
def test_places_that_lie(files: dict[str, bytes], value: int) -> None:
    data = bytearray(zipped(files))
    struct.pack_into("<I", data, entry(data, "landmarks.f32") + 42, value)
    refused(bytes(data), ".")
    end = data.rindex(b"PK\x05\x06")
    for place in (12, 16):  # how long the directory is, and where
        bad = bytearray(zipped(files))
        struct.pack_into("<I", bad, end + place, value)
        refused(bytes(bad), ".")


def test_the_large_kind_of_zip(files: dict[str, bytes]) -> None:
    data = zipped(files)
    end = data.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 0, 1)
    refused(data[:end] + locator + data[end:], "zip64")


def test_a_wrong_checksum(files: dict[str, bytes]) -> None:
    data = bytearray(zipped(files))
    struct.pack_into("<I", data, entry(data, "texture.webp") + 16, zlib.crc32(b"other"))
    refused(bytes(data), "zip")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_cut_short(files: dict[str, bytes], share: float) -> None:
    data = zipped(files)
    refused(data[: int(share * len(data))], "zip")


def test_a_file_larger_than_any_rig(tmp_path: Path) -> None:
    path = tmp_path / "huge.avatar"
    with path.open("wb") as file:
        file.truncate(8 << 30)  # sparse
    with pytest.raises(RigError, match="larger than 32 MiB"):
        rig.load(path)


def _with_canvas(webp: bytes, width: int, height: int) -> bytes:
    assert webp[12:16] == b"VP8X"
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp[:24] + sides + webp[30:]


@pytest.mark.parametrize("member", ["texture.webp", "portrait.webp"])
def test_pictures_of_huge_size(files: dict[str, bytes], member: str) -> None:
    huge = _with_canvas(files["texture.webp"], 16384, 16384)
    refused(zipped(files | {member: huge}), "16384x16384")


def test_a_picture_whose_header_lies(files: dict[str, bytes]) -> None:
    small = b"RIFF\0\0\0\0WEBPVP8L" + bytes([0, 0, 0, 0, 0x2F]) + bytes(40)
    refused(zipped(files | {"texture.webp": small}), "texture.webp")
    torn = files["texture.webp"][: len(files["texture.webp"]) // 3]
    refused(zipped(files | {"texture.webp": torn}), "texture.webp.*decoded")


def _points(files: dict[str, bytes]) -> np.ndarray:
    return np.frombuffer(files["landmarks.f32"], "<f4").reshape(478, 3).copy()


def _nan(points: np.ndarray) -> None:
    points[477, 2] = np.nan


def _far(points: np.ndarray) -> None:
    points[0, 0] = 3e38


def _beside(points: np.ndarray) -> None:
    points[:, 0] += 2 * np.ptp(points[:, 0])


def _one_place(points: np.ndarray) -> None:
    points[:] = points[0]


def _mirrored(points: np.ndarray) -> None:
    points[:, 0] = points[:, 0].max() + points[:, 0].min() - points[:, 0]


def _upside_down(points: np.ndarray) -> None:
    points[:, 1] = points[:, 1].max() + points[:, 1].min() - points[:, 1]


@pytest.mark.parametrize("spoil", [_nan, _far, _beside, _one_place, _mirrored, _upside_down])
def test_points_that_make_no_face(
    files: dict[str, bytes], spoil: Callable[[np.ndarray], None]
) -> None:
    points = _points(files)
    spoil(points)
    refused(zipped(files | {"landmarks.f32": points.astype("<f4").tobytes()}), "landmarks")


@pytest.mark.parametrize("size", [0, 12, 478 * 12 - 4, 478 * 12 + 4, 4 << 20])
def test_too_few_or_too_many_numbers(files: dict[str, bytes], size: int) -> None:
    refused(zipped(files | {"landmarks.f32": bytes(size)}), "478x3")
    refused(zipped(files | {"deltas.f16": bytes(size)}), "52x478x3")


KEY = {"region": "eyes", "coefficients": {"eyeBlinkLeft": 1}}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"keys": {f"k{n}": KEY for n in range(25)}}, "keys"),
        ({"keys": {"k": {"region": "eyes", "coefficients": {}}}}, "coefficients"),
        ({"keys": {"k": {"region": "eyes", "coefficients": {"eyeBlinkLeft": 9}}}}, "eyeBlinkLeft"),
        ({"keys": {"k": {"region": "ears", "coefficients": {"jawOpen": 1}}}}, "region"),
        ({"keys": {"../../k": KEY}}, "keys"),
        ({"keys": {"": KEY}}, "keys"),
        ({"keys": [KEY]}, "keys"),
        ({"pivot": [float("nan"), 0, 0]}, "pivot"),
        ({"pivot": [1e30, 0, 0]}, "pivot"),
        ({"limits": {"yaw": 180}}, "yaw"),
        ({"limits": {"gaze": float("inf")}}, "gaze"),
        ({"name": "x" * 10_000}, "name"),
        ({"size": -2}, "size"),
        ({"size": 512.5}, "size"),
        ({"consent": {"subject": "someone"}}, "consent"),
        ({"schema_version": 2}, "schema_version 2 is of a newer visavis"),
        ({"schema_version": 0}, "schema_version"),
        ({"schema_version": "one"}, "schema_version"),
        ({"x" * 5000: 1}, "Extra inputs"),
    ],
)
def test_manifests_that_ask_too_much(
    files: dict[str, bytes], fields: dict[str, object], reason: str
) -> None:
    refused(zipped(manifest(files, **fields)), reason)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[]", b"null", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000, b'{"a":' * 50_000),
        b'{"size":' + b"9" * 100_000 + b"}",
    ],
)
def test_manifests_that_are_none(files: dict[str, bytes], text: bytes) -> None:
    refused(zipped(files | {"avatar.json": text}), "avatar.json")


def test_a_key_that_never_shows(ava: Rig, tmp_path: Path) -> None:
    rig.save(ava, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    keys = json.loads(files["avatar.json"])["keys"]
    keys["blink"]["coefficients"] = {"eyeBlinkLeft": 0.0}
    refused(zipped(manifest(files, keys=keys)), "keys.blink")


def test_what_is_let_in_can_be_drawn(files: dict[str, bytes]) -> None:
    """Numbers that pass all checks, and are still noise, draw something and crash nothing."""
    rng = np.random.default_rng(5)
    let_in = 0
    for spread in (4, 30, 120):
        points = _points(files)
        points += rng.normal(0, spread, points.shape).astype(np.float32)
        deltas = rng.normal(0, 8 * spread, (52, 478, 3)).astype("<f2")
        noisy = files | {"landmarks.f32": points.tobytes(), "deltas.f16": deltas.tobytes()}
        try:
            face = rig.loads(zipped(noisy))
        except RigError:
            continue
        let_in += 1
        for size in ((256, 256), (320, 128), (64, 256)):
            renderer, out = Renderer(face, size), I420.empty(*size)
            for weight in (0.0, 1.0):
                pose = {"jawOpen": weight, "eyeBlink": weight, "mouthSmile": weight}
                renderer.draw(Pose(vector(pose), weight, 0.5, 0.3, 0.3, (9.0, -9.0), 1.0), out)
    assert let_in
