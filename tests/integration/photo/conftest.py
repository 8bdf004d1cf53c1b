"""Portraits of real people, and the face models; these are fetched once where they are missing."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.rig import Consent
from visavis.models.catalogue import FACE_MESH, model_path
from visavis.models.download import pull
from visavis.models.face_mesh import FaceMesh

PORTRAITS = Path(__file__).parents[2] / "data" / "portraits"
CONSENT = Consent(subject="licensed", statement="A public-domain portrait, for tests.")

Photo = Callable[[str], np.ndarray]


@pytest.fixture(scope="session", autouse=True)
def models() -> Path:
    pull(FACE_MESH)
    return model_path("face-mesh")


@pytest.fixture(scope="session")
def mesh(models: Path) -> FaceMesh:
    return FaceMesh(models)


@pytest.fixture(scope="session")
def photo() -> Photo:
    """A portrait as RGB pixels; "ava" is the built-in character's."""

    def load(name: str) -> np.ndarray:
        if name == "ava":
            data = np.frombuffer(rig.portrait("ava"), np.uint8)
        else:
            data = np.frombuffer((PORTRAITS / f"{name}.jpg").read_bytes(), np.uint8)
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    return load


def encoded(rgb: np.ndarray, extension: str = ".jpg") -> bytes:
    _, data = cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def rotated(rgb: np.ndarray, degrees: float) -> np.ndarray:
    """Turned counter-clockwise about its middle, the border repeated."""
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
