"""Draw a character in every viseme, mood and turn, with the product's own renderer, on one sheet.

Run with ``visavis`` installed: ``python characters/sheet.py NAME`` writes docs/characters/NAME.jpg.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar import rig
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.moods import EASE_S, Moods
from visavis.avatar.puppet import Puppet
from visavis.avatar.visemes import CLOSED, VISEMES, WEIGHTS
from visavis.media import I420, Emotion

SIZE, CELL = 448, 360
"""Pixels of a picture, and of the part of it around the face that is shown."""
COLUMNS = 8
MOODS: tuple[Emotion, ...] = ("happy", "sad", "surprised", "concerned", "thoughtful")
TURN = float(np.radians(10))
STILL = vector({})


def poses() -> dict[str, Pose]:
    out = {name: Pose(WEIGHTS[n], close=float(CLOSED[n])) for n, name in enumerate(VISEMES)}
    for name, weights in {
        "half blink": {"eyeBlink": 0.5},
        "nearly": {"eyeBlink": 0.75},
        "blink": {"eyeBlink": 1.0},
        "smile": {"mouthSmile": 0.7, "cheekSquint": 0.4},
        "brows": {"browInnerUp": 0.8, "browOuterUp": 0.8},
    }.items():
        out[name] = Pose(vector(weights))
    for mood in MOODS:
        out[mood] = Pose(felt(mood))
    for name, gaze in {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}.items():
        out[f"gaze {name}"] = Pose(STILL, gaze=gaze)
    out["yaw -10"], out["yaw 10"] = Pose(STILL, yaw=-TURN), Pose(STILL, yaw=TURN)
    out["tilt, E"] = Pose(WEIGHTS[VISEMES.index("E")], roll=TURN / 2, pitch=TURN / 3)
    return out


def felt(mood: Emotion) -> NDArray[np.float32]:
    moods = Moods()
    moods.turn_to(mood, 1.0)
    moods.at(0)
    return moods.at(int(EASE_S * 1e6))


def draw(face: rig.Rig) -> NDArray[np.uint8]:
    """All poses in rows of ``COLUMNS``, BGR."""
    puppet, frame = Puppet(face, size=(SIZE, SIZE)), I420.empty(SIZE, SIZE)
    x, y, _ = (face.landmarks[1] * SIZE / face.manifest.size).astype(int)  # the tip of the nose
    left, top = np.clip([x - CELL // 2, y - CELL * 11 // 20], 0, SIZE - CELL)
    rest = vector(face.manifest.rest)
    cells: list[NDArray[np.uint8]] = []
    for name, pose in poses().items():
        weights = np.clip(pose.coefficients + rest, 0, 1).astype(np.float32)
        puppet.draw(replace(pose, coefficients=weights), frame)
        whole = cv2.cvtColor(frame.buffer, cv2.COLOR_YUV2BGR_I420)
        cell = whole[top : top + CELL, left : left + CELL].astype(np.uint8)
        place, font = (10, 24), cv2.FONT_HERSHEY_SIMPLEX
        for colour, width in (((255, 255, 255), 4), ((40, 40, 40), 1)):
            cv2.putText(cell, name, place, font, 0.6, colour, width, cv2.LINE_AA)
        cells.append(cell)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return np.vstack(rows).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("character", help="a built-in character, or an .avatar file")
    parser.add_argument("--out", type=Path, help="an image file")
    options = parser.parse_args()
    path = Path(options.character)
    if path.suffix != ".avatar":
        path = rig.find(options.character)
    out = options.out or Path(__file__).parent.parent / f"docs/characters/{path.stem}.jpg"
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet = draw(rig.load(path))
    quality = [cv2.IMWRITE_JPEG_QUALITY, 84] if out.suffix == ".jpg" else []
    if not cv2.imwrite(str(out), sheet, quality):
        raise OSError(f"cannot write {out}")
    print(out)


if __name__ == "__main__":
    main()
