"""A crew-neck sweater: the body's own surface, grown outwards, and a collar."""

import bmesh
import bpy
import numpy as np
from mathutils import Vector

from . import makehuman as mh
from . import materials
from .anatomy import Head, unit

EASE = 0.10
"""How far the cloth stands off the skin, decimetres."""


class Sweater:
    def __init__(self, head: Head, colour: str) -> None:
        self.head = head
        self.point, self.normal = neckline(head)
        look = materials.knit(colour)
        shell = body_shell(head, look)
        rim = cut_at_neckline(shell, self.point, self.normal, EASE)
        thickness = shell.modifiers.new("thickness", "SOLIDIFY")
        thickness.thickness, thickness.offset = 0.05, -1
        self._collar(rim, look)

    def covers(self, face: mh.Face) -> bool:
        """Skin well below the neckline is left out, so that nothing pokes through the cloth."""
        corners = self.head.rest[list(face.v)]
        beside_neck = np.abs(corners[:, 0]).min() > 0.75
        below = ((corners - self.point) @ self.normal).max() < -0.14
        on_body = self.head.head_weight[list(face.v)].max() < 0.7
        return bool((below or beside_neck) and on_body)

    def _collar(self, rim: np.ndarray, look: bpy.types.Material) -> None:
        """A tube of oval section along the rim, leaning in towards the neck."""
        count, sides = 96, 14
        line = resampled_loop(rim, count)
        for _ in range(12):
            line = line * 0.5 + 0.25 * (np.roll(line, 1, 0) + np.roll(line, -1, 0))
        tangent = unit(np.roll(line, -1, 0) - np.roll(line, 1, 0))
        up = np.tile(self.normal, (count, 1))
        out = unit(np.cross(tangent, up))
        out *= np.sign((out * (line - line.mean(0))).sum(1, keepdims=True))
        up = up - out * 0.25
        a = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
        tube = (line - out * 0.03)[:, None] + 0.05 * np.cos(a) * out[:, None]
        tube = (tube + 0.115 * np.sin(a) * up[:, None]).reshape(-1, 3)
        faces = [
            [k * sides + i, k * sides + (i + 1) % sides,
             (k + 1) % count * sides + (i + 1) % sides, (k + 1) % count * sides + i]
            for k in range(count)
            for i in range(sides)
        ]  # fmt: skip
        materials.add_mesh("collar", tube, faces, look)


def body_shell(head: Head, look: bpy.types.Material) -> bpy.types.Object:
    """The body's own surface up to the neck, as a subdivided mesh."""
    faces = [f for f in head.faces if head.head_weight[list(f.v)].max() < 0.75]
    index = np.unique([i for f in faces for i in f.v])
    place = {v: i for i, v in enumerate(index)}
    polygons = [[place[i] for i in f.v] for f in faces]
    return materials.add_mesh("cloth", head.rest[index], polygons, look, subdivide=2)


def neckline(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """A plane through the base of the neck, front lower than back, clear of the shoulders."""
    skin = head.rest[:13380]
    weight = head.head_weight[:13380]
    root = skin[(weight > 0.02) & (weight < 0.15) & (np.abs(skin[:, 0]) < 0.12)]
    lower = np.array([0, 0.10, 0])
    front = root[root[:, 2] > 0.2].mean(0) - lower
    back = root[root[:, 2] < 0.2].mean(0) + lower
    normal = unit(np.array([0, 1, (back[1] - front[1]) / (front[2] - back[2])]))
    shoulders = skin[(np.abs(skin[:, 0]) > 1.0) & (skin[:, 1] > 4.5)]
    clear = ((shoulders - front) @ normal).max() + 0.10
    return front + normal * max(0.0, clear), normal


def cut_at_neckline(
    shell: bpy.types.Object, point: np.ndarray, normal: np.ndarray, ease: float
) -> np.ndarray:
    """Cuts and loosens the shell in place; returns the loop of the cut, MakeHuman axes."""
    mesh = bmesh.new()
    mesh.from_mesh(shell.data)
    bmesh.ops.bisect_plane(
        mesh,
        geom=mesh.verts[:] + mesh.edges[:] + mesh.faces[:],
        plane_co=Vector(materials.to_blender(point)),
        plane_no=Vector(materials.to_blender(normal)),
        clear_outer=True,
    )
    loose = [v for v in mesh.verts if not v.is_boundary]
    for _ in range(8):
        bmesh.ops.smooth_vert(
            mesh, verts=loose, factor=0.5, use_axis_x=True, use_axis_y=True, use_axis_z=True
        )
    mesh.normal_update()
    for v in mesh.verts:
        v.co += v.normal * ease
    rim = max(_boundary_loops(mesh), key=lambda loop: loop[:, 2].mean())
    mesh.to_mesh(shell.data)
    mesh.free()
    shell.data.polygons.foreach_set("use_smooth", [True] * len(shell.data.polygons))
    return np.stack([rim[:, 0], rim[:, 2], -rim[:, 1]], -1)


def _boundary_loops(mesh: bmesh.types.BMesh) -> list[np.ndarray]:
    beside: dict[bmesh.types.BMVert, list[bmesh.types.BMVert]] = {}
    for edge in mesh.edges:
        if edge.is_boundary:
            a, b = edge.verts
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
    loops, seen = [], set()
    for start in beside:
        loop, at = [], start
        while at is not None and at not in seen:
            seen.add(at)
            loop.append(at.co[:])
            at = next((v for v in beside[at] if v not in seen), None)
        if len(loop) > 12:
            loops.append(np.array(loop))
    return loops


def resampled_loop(loop: np.ndarray, count: int) -> np.ndarray:
    closed = np.r_[loop, loop[:1]]
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))]
    at = np.linspace(0, length[-1], count, endpoint=False)
    return np.stack([np.interp(at, length, closed[:, k]) for k in range(3)], 1)
