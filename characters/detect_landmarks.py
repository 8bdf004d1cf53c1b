"""Find the face-mesh landmarks on a neutral render, once per character.

Needs mediapipe 0.10.14 (see README.md); writes the points as shares of the picture's size.
"""

import json
import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

GREY = 200


def detect(picture: Path) -> list[list[float]]:
    rgba = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    bgr = (rgba[..., :3] * alpha + GREY * (1 - alpha)).astype(np.uint8)
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, min_detection_confidence=0.3
    )
    found = mesh.process(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)).multi_face_landmarks
    if not found:
        raise SystemExit(f"no face found in {picture}")
    return [[round(p.x, 5), round(p.y, 5)] for p in found[0].landmark]


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    target.write_text(json.dumps(detect(source)) + "\n")
