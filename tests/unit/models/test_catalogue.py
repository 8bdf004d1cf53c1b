import re

import pytest

from visavis.models.catalogue import MODELS, ModelMissing, find_model, model_path
from visavis.settings import settings


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(settings(), "models_dir", tmp_path)
    return tmp_path


def test_the_promised_models_are_named():
    assert set(MODELS) == {
        "silero-vad",
        "smart-turn",
        "whisper-tiny.en",
        "whisper-base",
        "qwen2.5-coder-0.5b-instruct",
        "qwen2.5-coder-1.5b-instruct",
        "smollm2-135m-instruct",
        "hibari-heart",
        "face-mesh",
    }


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_an_entry_is_complete(model):
    assert model.licence in ("MIT", "BSD-2-Clause", "Apache-2.0")
    assert model.origin.startswith("https://")
    for file in model.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        if model.package is None:
            assert file.url.startswith("https://")
            assert sum(part.size for part in file.parts) == file.size
    wheels = [part.sha256 for file in model.files for part in file.parts]
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in wheels)


def test_parts_of_a_joined_file_are_different_wheels_in_order():
    parts = MODELS["qwen2.5-coder-1.5b-instruct"].files[0].parts
    assert len({part.sha256 for part in parts}) == len(parts) == 22
    assert [part.member[-6:-4] for part in parts] == [f"{n:02d}" for n in range(1, 23)]


def test_a_missing_model_says_what_to_run(empty_cache):
    with pytest.raises(ModelMissing, match=r"visavis models pull silero-vad"):
        model_path("silero-vad")


def test_half_a_model_is_missing(empty_cache):
    folder = empty_cache / "whisper-tiny.en"
    folder.mkdir()
    (folder / "config.json").write_bytes(bytes(2_317))
    assert not find_model("whisper-tiny.en").present


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match="silero-vad"):
        model_path("whisper-huge")


def test_the_voice_comes_with_its_package(empty_cache):
    assert (model_path("hibari-heart") / "hibari.onnx").is_file()
