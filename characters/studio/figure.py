"""The whole character in the Blender scene, and the one way to pose it."""

from pathlib import Path

import bpy
import numpy as np

from . import eyes, materials
from .anatomy import Head
from .clothes import Sweater
from .coils import Coils
from .hair import Bob
from .makehuman import Face
from .mouth import Jaw, Tongue
from .short_hair import Beard, ShortHair
from .skin import paint_iris, paint_skin
from .spec import CharacterSpec
from .tailoring import Blazer, Shirt

STRANDS = {"bob": 30_000, "coils": 44_000, "short": 34_000}
STYLES = {"bob": Bob, "coils": Coils, "short": ShortHair}
HAIR_RADIUS = {"bob": 0.0080, "coils": 0.0036, "short": 0.0062}
BEARD_RADIUS = 0.0036
GREY_MELANIN = 0.06


class Figure:
    """``cache`` keeps the painted textures between runs; delete it after changing a spec."""

    def __init__(self, spec: CharacterSpec, cache: Path) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.head = head = Head(spec)
        skin, iris = cache / f"{spec.name}-skin.png", cache / f"{spec.name}-iris.png"
        if not skin.exists():
            paint_skin(head, skin)
        paint_iris(spec.iris, iris)
        clothes = _dress(head)
        self._add_skin([f for f in head.faces if not clothes.covers(f)], materials.skin(skin))
        self._jaws = [Jaw(head, "upper", 0.05, 0.0), Jaw(head, "lower", 0.025, -0.055)]
        self._tongue = Tongue(head)
        eyes.add_eyeballs(head, iris)
        if spec.earrings:
            eyes.add_earrings(head, spec.earrings)
        self._lashes = eyes.lash_strands(head)
        dark = materials.plain("lash", "#120b08", 0.6)
        self._lash_curves = materials.add_strands(
            "lashes", self._lashes.at(head.rest), 0.0032, 0.85, dark
        )
        self._brows = eyes.Brows(head)
        brow = materials.plain("brow", spec.hair.brow, 0.6)
        self._brow_curves = materials.add_strands("brows", self._brows.rest, 0.0020, 0.9, brow)
        self._add_hair("hair", STYLES[spec.hair.style](head).strands(STRANDS[spec.hair.style]))
        self._beard = Beard(head) if spec.hair.beard else None
        self._beard_curves = self._add_hair("beard", self._beard.rest) if self._beard else []

    def pose(self, units: dict[str, float]) -> np.ndarray:
        """Moves the face; returns the base mesh's vertices in that pose."""
        vertices = self.head.pose(units)
        materials.move_mesh(self._skin, vertices[self._skin_index])
        self._tongue.move(vertices)
        for jaw in self._jaws:
            jaw.move(vertices)
        materials.move_strands(self._lash_curves, self._lashes.at(vertices))
        materials.move_strands(self._brow_curves, self._brows.at(vertices))
        if self._beard:
            hairs = self._beard.at(vertices)
            for curves, kind in self._beard_curves:
                materials.move_strands(curves, hairs[kind])
        return vertices

    def skin_surface(self) -> np.ndarray:
        """Vertices of the skin as rendered (subdivided) in the current pose, MakeHuman axes."""
        mesh = self._skin.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        flat = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", flat)
        return materials.to_makehuman(flat.reshape(-1, 3)).astype(float)

    def skin_triangles(self) -> np.ndarray:
        mesh = self._skin.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        mesh.calc_loop_triangles()
        flat = np.empty(len(mesh.loop_triangles) * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", flat)
        return flat.reshape(-1, 3)

    def _add_hair(self, name: str, hairs: np.ndarray) -> list[tuple[bpy.types.Object, np.ndarray]]:
        """Hairs in their colour; a share of them grey, more of those towards the temples.

        Returns the curves of each colour, with a mask of the hairs that they are.
        """
        radius = BEARD_RADIUS if name == "beard" else HAIR_RADIUS[self.head.spec.hair.style]
        added = []
        hair, m = self.head.spec.hair, self.head.measures
        temple = np.exp(-np.clip(m.above_hairline(hairs[:, 0]), 0, None) / 0.35)
        luck = np.random.default_rng(5).random(len(hairs))
        grey = luck < hair.grey * (0.6 + 1.2 * temple)
        for kind, melanin in ((~grey, hair.melanin), (grey, GREY_MELANIN)):
            if kind.any():
                look = materials.strands(melanin, hair.redness)
                curves = materials.add_strands(name, hairs[kind], radius, 0.7, look)
                added.append((curves, kind))
        return added

    def _add_skin(self, faces: list[Face], look: bpy.types.Material) -> None:
        self._skin_index = np.unique([i for f in faces for i in f.v])
        place = {v: i for i, v in enumerate(self._skin_index)}
        uvs = np.concatenate([self.head.mesh.uvs[list(f.uv)] for f in faces])
        polygons = [[place[i] for i in f.v] for f in faces]
        rest = self.head.rest[self._skin_index]
        self._skin = materials.add_mesh("skin", rest, polygons, look, uvs, subdivide=2)


def _dress(head: Head) -> Sweater | Shirt | Blazer:
    kind = head.spec.outfit.kind
    if kind == "shirt":
        return Shirt(head)
    if kind == "blazer":
        return Blazer(head)
    return Sweater(head, head.spec.cloth)
