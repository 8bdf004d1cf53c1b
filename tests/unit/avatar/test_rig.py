import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.coefficients import ARKIT
from visavis.avatar.rig import Rig, RigError


def _change(path: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    """The same file with other members."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_what_was_saved_is_loaded(ava: Rig, tmp_path: Path) -> None:
    path = tmp_path / "again.avatar"
    rig.save(ava, path)
    again = rig.load(path)
    assert again.manifest == ava.manifest
    np.testing.assert_array_equal(again.landmarks, ava.landmarks)
    assert [key.name for key in again.keys] == [key.name for key in ava.keys]
    visible = ava.texture[..., 3] == 255
    difference = np.abs(again.texture[visible].astype(int) - ava.texture[visible].astype(int))
    assert difference.mean() < 4, "WebP keeps the picture"


def test_the_same_rig_gives_the_same_bytes(bare: Rig, tmp_path: Path) -> None:
    rig.save(bare, tmp_path / "a")
    rig.save(bare, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_loaded_rig_cannot_be_changed(ava: Rig) -> None:
    for array in (ava.texture, ava.landmarks):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_built_in_character_is_found_and_has_a_portrait() -> None:
    assert rig.find("ava").name == "ava.avatar"
    assert rig.portrait("ava")[8:12] == b"WEBP"


@pytest.mark.parametrize("name", ["nobody", "../rig", "", "ava.avatar", "*"])
def test_an_unknown_character_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        rig.find(name)


@pytest.mark.parametrize("member", ["avatar.json", "texture.webp", "landmarks.f32"])
def test_a_missing_member_is_named(saved: Path, member: str) -> None:
    with pytest.raises(RigError, match=member):
        rig.load(_change(saved, lambda files: files.__delitem__(member)))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "keys/x.webp", "run.py", "a\\b"])
def test_a_member_that_does_not_belong_is_refused(saved: Path, name: str) -> None:
    with pytest.raises(RigError, match="does not belong"):
        rig.load(_change(saved, lambda files: files.update({name: b"x"})))


def test_the_same_name_twice_is_refused(saved: Path) -> None:
    with (
        zipfile.ZipFile(saved, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("avatar.json", b"{}")
    with pytest.raises(RigError, match="twice"):
        rig.load(saved)


def test_a_member_that_unpacks_to_too_much_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("background.webp", bytes(100 << 20))
    assert saved.stat().st_size < 1 << 20, "a bomb is small"
    with pytest.raises(RigError, match="larger"):
        rig.load(saved)


def test_a_header_that_lies_about_length_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"landmarks.f32"))
    struct.pack_into("<I", data, entry + 24, 16)  # the uncompressed size in the directory
    saved.write_bytes(data)
    with pytest.raises(RigError):
        rig.load(saved)


def test_a_picture_of_another_size_is_never_decoded(saved: Path) -> None:
    def huge(files: dict[str, bytes]) -> None:
        texture = bytearray(files["texture.webp"])
        assert texture[12:16] == b"VP8X"
        texture[24:30] = b"\xff\x3f\x00\xff\x3f\x00"  # 16384 x 16384
        files["texture.webp"] = bytes(texture)

    with pytest.raises(RigError, match="16384x16384"):
        rig.load(_change(saved, huge))


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\x89PNG" * 20, b"RIFFxxxxWEBPVP8X" + bytes(40)])
def test_what_is_no_picture_is_refused(saved: Path, data: bytes) -> None:
    with pytest.raises(RigError, match=r"texture\.webp"):
        rig.load(_change(saved, lambda files: files.update({"texture.webp": data})))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_points_outside_the_picture_are_refused(saved: Path, bad: float) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        files["landmarks.f32"] = struct.pack("<f", bad) + files["landmarks.f32"][4:]

    with pytest.raises(RigError, match=r"landmarks\.f32"):
        rig.load(_change(saved, spoil))


def test_too_few_points_are_refused(saved: Path) -> None:
    with pytest.raises(RigError, match="478x3"):
        rig.load(_change(saved, lambda files: files.update({"landmarks.f32": bytes(12)})))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema_version", 2, "schema_version"),
        ("id", "../ava", "id"),
        ("size", 1 << 20, "size"),
        ("background", ["red", "blue"], "background"),
        ("rest", {"smileMore": 0.5}, "smileMore"),
        ("rest", {"jawOpen": float("nan")}, "rest"),
        ("script", "rm", "script"),
        ("keys", {"../x": {"region": "eyes", "coefficients": {"eyeBlinkLeft": 1}}}, "keys"),
        ("keys", {"wink": {"region": "eyes", "coefficients": {"eyeBlinkLeft": 1}}}, "wink"),
    ],
)
def test_a_strange_manifest_is_refused(
    saved: Path, field: str, value: object, message: str
) -> None:
    def edit(files: dict[str, bytes]) -> None:
        files["avatar.json"] = json.dumps(
            json.loads(files["avatar.json"]) | {field: value}
        ).encode()

    with pytest.raises(RigError, match=message):
        rig.load(_change(saved, edit))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 but no zip", bytes(1000)])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.avatar").write_bytes(data)
    with pytest.raises(RigError, match="zip"):
        rig.load(tmp_path / "x.avatar")


def test_no_cut_of_a_rig_does_worse_than_a_rig_error(saved: Path) -> None:
    whole = saved.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(whole)
        for place in rng.integers(0, len(whole), 12):
            broken[place] = rng.integers(0, 256)
        saved.write_bytes(bytes(broken[: rng.integers(len(whole) // 2, len(whole) + 1)]))
        try:
            rig.load(saved)
        except RigError:
            continue


def test_save_refuses_what_could_not_be_loaded(bare: Rig, tmp_path: Path) -> None:
    wrong = Rig(bare.manifest, bare.texture, bare.landmarks[:10], bare.portrait)
    with pytest.raises(RigError):
        rig.save(wrong, tmp_path / "x.avatar")
    assert not (tmp_path / "x.avatar").exists()


def test_own_movements_are_kept(bare: Rig, tmp_path: Path) -> None:
    deltas = np.random.default_rng(0).normal(0, 5, (len(ARKIT), 478, 3)).astype(np.float32)
    rig.save(
        Rig(bare.manifest, bare.texture, bare.landmarks, bare.portrait, deltas), tmp_path / "d"
    )
    again = rig.load(tmp_path / "d").deltas
    assert again is not None
    np.testing.assert_allclose(again, deltas, atol=0.02)


def test_encrypted_members_are_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    saved.write_bytes(data)
    with pytest.raises(RigError, match="encrypted"):
        rig.load(saved)
