"""Bake a character: render its poses and write ``NAME.avatar``. See README.md.

Frames are kept in the work folder and not rendered twice, so a bake can be interrupted.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from specs import ALL
from studio import pictures
from studio.figure import Figure
from studio.landmarks import FaceLandmarks
from studio.poses import KEYS
from studio.spec import CharacterSpec
from studio.stage import Stage

from visavis.avatar import rig
from visavis.avatar.coefficients import ARKIT, expand

HERE = Path(__file__).parent
PORTRAIT = 768
"""Pixels of the picture for web pages."""
CREDIT = (
    "Rendered from the MakeHuman/MPFB base mesh and targets (CC0, Data Collection AB, Joel "
    "Palmius, Jonas Hauquier) and the Face Units pack by Mika Suominen (CC0)."
)


class Bake:
    def __init__(self, spec: CharacterSpec, size: int, samples: int, work: Path) -> None:
        self.spec, self.size, self.work = spec, size, work
        work.mkdir(parents=True, exist_ok=True)
        self.figure = Figure(spec, work)
        self.stage = Stage(size, samples, spec.rim)

    def neutral(self) -> np.ndarray:
        path = self.work / "neutral.png"
        if not path.exists():
            self.figure.pose({})
            self.stage.render(path)
        return pictures.load(path)

    def key(self, name: str, neutral: np.ndarray) -> np.ndarray:
        """The whole frame in a key pose; only what moves is rendered."""
        path = self.work / f"{name}.png"
        box = self._moving_box(KEYS[name].units)
        if not path.exists():
            self.figure.pose(KEYS[name].units)
            self.stage.render(path, box)
        return pictures.patch(neutral, pictures.load(path), box)

    def portrait(self) -> bytes:
        """The neutral face on its background, no smaller than ``PORTRAIT``."""
        if self.size >= PORTRAIT:
            return pictures.portrait(self.neutral(), self.spec.background)
        path = self.work / "portrait.png"
        if not path.exists():
            self.figure.pose({})
            self.stage.render(path, size=PORTRAIT)
        return pictures.portrait(pictures.load(path), self.spec.background)

    def landmarks(self) -> FaceLandmarks:
        shares = np.array(json.loads((HERE / self.spec.name / "landmarks.json").read_text()))
        return FaceLandmarks(self.figure, self.stage, shares * self.size)

    def _moving_box(self, units: dict[str, float]) -> tuple[int, int, int, int]:
        surfaces = []
        for pose in ({}, units):
            self.figure.pose(pose)
            surfaces.append(self.stage.project(self.figure.skin_surface())[:, :2])
        before, after = surfaces
        moved = np.linalg.norm(after - before, axis=1) > 0.0008 * self.size
        both = np.concatenate([before[moved], after[moved]])
        margin = 0.035 * self.size
        low, high = np.floor(both.min(0) - margin), np.ceil(both.max(0) + margin)
        left, top = (int(v) for v in low.clip(0, self.size))
        right, bottom = (int(v) for v in high.clip(0, self.size))
        return left, top, right, bottom


def assemble(bake: Bake, keys: list[str]) -> rig.Rig:
    spec, neutral = bake.spec, bake.neutral()
    face = bake.landmarks()
    rest = face.at({})
    poses = {
        n: rig.KeyPose(region=KEYS[n].region, coefficients=expand(KEYS[n].units)) for n in keys
    }
    return rig.Rig(
        manifest=rig.Manifest(
            id=spec.name,
            name=spec.title,
            description=spec.description,
            size=bake.size,
            licence=rig.Licence(spdx="CC0-1.0", credit=CREDIT, origin="characters/ in visavis"),
            consent=rig.Consent(subject="synthetic"),
            background=(spec.background.inner, spec.background.outer),
            pivot=face.neck_pivot(),
            voice=spec.voice,
            seed=7,
            keys=poses,
        ),
        texture=pictures.bleed(neutral),
        landmarks=rest,
        portrait=bake.portrait(),
        deltas=np.stack([face.at({unit: 1.0}) - rest for unit in ARKIT]),
        background=pictures.backdrop(spec.background, bake.size),
        keys=tuple(
            rig.Key(n, p, pictures.bleed(bake.key(n, neutral)), face.at(KEYS[n].units))
            for n, p in poses.items()
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("character", choices=ALL)
    parser.add_argument("--size", type=int, default=768, help="pixels of the texture")
    parser.add_argument("--samples", type=int, default=16, help="light paths per pixel")
    parser.add_argument("--work", type=Path, default=Path("out/bake"), help="frames are kept here")
    parser.add_argument("--out", type=Path, default=HERE.parent / "src/visavis/avatar/characters")
    parser.add_argument("--keys", nargs="*", choices=KEYS, default=list(KEYS))
    parser.add_argument("--only-neutral", action="store_true", help="render the neutral and stop")
    options = parser.parse_args()
    work = options.work / f"{options.character}-{options.size}"
    bake = Bake(ALL[options.character], options.size, options.samples, work)
    if options.only_neutral:
        bake.neutral()
        return
    path = options.out / f"{options.character}.avatar"
    rig.save(assemble(bake, options.keys), path)
    print(f"{path} {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
