"""A shirt with an open collar, and a blazer: cut from the body's surface, collars draped on it.

Points are in MakeHuman axes, decimetres.
"""

from collections.abc import Callable

import bmesh
import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from . import makehuman as mh
from . import materials
from .anatomy import Head, smoothstep, unit
from .clothes import Sweater, body_shell, cut_at_neckline, neckline, resampled_loop

Curve = Callable[[np.ndarray], np.ndarray]


class Garment:
    """A shell of the body, open in front in a V.

    ``ease`` is how far it stands off the skin, ``tip`` how far below the neckline's front the V
    ends, both in decimetres; ``spread`` how many degrees from the front the V meets the neckline.
    """

    def __init__(
        self, head: Head, look: bpy.types.Material, ease: float, tip: float, spread: float
    ) -> None:
        self.head, self.look, self.spread = head, look, spread
        self.point, self.normal = neckline(head)
        shell = body_shell(head, look)
        rim = cut_at_neckline(shell, self.point, self.normal, ease)
        shell = _subdivided(shell)
        self.ring = _by_azimuth(resampled_loop(rim, 240))
        front = self.ring(np.zeros(1))[0]
        self.tip = np.array([0, front[1] - tip, front[2]])
        corner = self.ring(np.array([spread]))[0]
        self.slope = corner[0] / (corner[1] - self.tip[1])
        self.open(shell)
        self.surface = _surface(shell)
        thickness = shell.modifiers.new("thickness", "SOLIDIFY")
        thickness.thickness, thickness.offset = 0.03, -1

    def in_opening(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
        return (x < self.slope * (y - self.tip[1]) + margin) & (z > self.tip[2] - 0.8)

    def open(self, shell: bpy.types.Object) -> None:
        """Cuts the V out of the front."""
        mesh = bmesh.new()
        mesh.from_mesh(shell.data)
        for side in (1, -1):
            normal = unit(np.array([side, -self.slope, 0.0]))
            bmesh.ops.bisect_plane(
                mesh,
                geom=mesh.verts[:] + mesh.edges[:] + mesh.faces[:],
                plane_co=Vector(materials.to_blender(self.tip)),
                plane_no=Vector(materials.to_blender(normal)),
            )
        inside = [
            f
            for f in mesh.faces
            if self.in_opening(materials.to_makehuman(np.array(f.calc_center_median())))
        ]
        bmesh.ops.delete(mesh, geom=inside, context="FACES")
        mesh.to_mesh(shell.data)
        mesh.free()
        shell.data.polygons.foreach_set("use_smooth", [True] * len(shell.data.polygons))

    def drape(self, grid: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(rows, columns, 3) pushed out of the shell, ``offset`` (columns,) above it."""
        out = grid.copy()
        for row in out:
            for k, p in enumerate(row):
                location, normal, _, _ = self.surface.find_nearest(Vector(p))
                lack = offset[k] - float(np.dot(p - np.array(location), normal))
                if lack > 0:
                    row[k] = p + np.array(normal) * lack
        return out

    def edge(self, heights: np.ndarray, side: int, aside: np.ndarray) -> np.ndarray:
        """(n, 3) points of the front at those heights, ``aside`` from the opening's edge."""
        x = side * (self.slope * (heights - self.tip[1]) + aside)
        out = []
        for px, py in zip(x, heights, strict=True):
            hit = self.surface.ray_cast(Vector((px, py, 6.0)), Vector((0, 0, -1)))[0]
            out.append(np.array(hit) if hit is not None else np.array([px, py, np.nan]))
        line = np.array(out)
        known = ~np.isnan(line[:, 2])
        line[~known, 2] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), line[known, 2])
        return line

    def cloth_sheet(self, name: str, grid: np.ndarray, thickness: float = 0.03) -> None:
        """A grid as a piece of cloth."""
        rows, columns, _ = grid.shape
        faces = [
            [i * columns + j, i * columns + j + 1, (i + 1) * columns + j + 1, (i + 1) * columns + j]
            for i in range(rows - 1)
            for j in range(columns - 1)
        ]
        sheet = materials.add_mesh(name, grid.reshape(-1, 3), faces, self.look)
        solid = sheet.modifiers.new("thickness", "SOLIDIFY")
        solid.thickness, solid.offset = thickness, 0
        smooth = sheet.modifiers.new("smooth", "SUBSURF")
        smooth.levels = smooth.render_levels = 1


class Shirt:
    """Cotton, its collar open."""

    def __init__(self, head: Head) -> None:
        look = woven(head.spec.cloth, 0.7, 60.0, 0.10)
        self.body = Garment(head, look, ease=0.09, tip=0.62, spread=24.0)
        self._collar()
        self._placket()

    def covers(self, face: mh.Face) -> bool:
        body = self.body
        corners = body.head.rest[list(face.v)]
        below = ((corners - body.point) @ body.normal).max() < -0.14
        beside_neck = np.abs(corners[:, 0]).min() > 0.75
        bare = body.in_opening(corners, 0.3).any()
        on_body = body.head.head_weight[list(face.v)].max() < 0.7
        return bool((below or beside_neck) and on_body and not bare)

    def _collar(self) -> None:
        body = self.body
        angles = np.concatenate(
            [np.linspace(body.spread, 180, 40), np.linspace(-179, -body.spread, 40)]
        )
        base = body.ring(angles)
        out = unit((base - base.mean(0)) * [1, 0, 1])
        front = (1 - smoothstep(20, 80, np.abs(angles)))[:, None]
        up = body.normal
        stand = 0.30 - 0.10 * front
        leaf = 0.40 + 0.30 * front
        flare = 0.16 + 0.22 * front
        foot = base - out * 0.05 - up * 0.08
        top = base - out * 0.17 + up * stand
        fold = base - out * 0.11 + up * (stand + 0.035)
        over = base - out * 0.04 + up * (stand - 0.02)
        forward = np.array([0, 0, 1.0])
        end = base + out * flare + up * (stand - leaf) + forward * 0.10 * front
        share = np.linspace(0, 1, 8)[None, :, None]
        fall = over[:, None] * (1 - share) + end[:, None] * share
        bulge = 0.05 * np.sin(share * np.pi) * out[:, None]
        grid = np.concatenate([foot[:, None], top[:, None], fold[:, None], fall + bulge], 1)
        offset = np.concatenate([[-9, -9, -9], np.full(8, 0.045)])
        body.cloth_sheet("collar", body.drape(grid, offset))

    def _placket(self) -> None:
        body = self.body
        heights = np.linspace(body.tip[1] + 0.06, body.tip[1] - 1.2, 30)
        x = np.linspace(-0.10, 0.10, 7)
        grid = np.array(
            [
                [
                    np.array(
                        body.surface.ray_cast(Vector((a, y, 6.0)), Vector((0, 0, -1)))[0]
                        or (a, y, body.tip[2])
                    )
                    for a in x
                ]
                for y in heights
            ]
        )
        for _ in range(6):
            grid[1:-1] = grid[1:-1] * 0.5 + 0.25 * (grid[:-2] + grid[2:])
        grid[..., 2] = grid[..., 2].max(1, keepdims=True) + 0.02
        body.cloth_sheet("placket", grid, 0.025)
        pearl = materials.plain("button", "#e9e4da", 0.25, coat=0.3)
        for k in (3, 21):
            _button(grid[k, 3] + [0, 0, 0.03], pearl)


class Blazer:
    """Wool, notched lapels, over a thin crew-neck."""

    def __init__(self, head: Head) -> None:
        self.under = Sweater(head, head.spec.outfit.under)
        look = woven(head.spec.cloth, 0.9, 34.0, 0.22)
        self.body = Garment(head, look, ease=0.19, tip=1.75, spread=52.0)
        for side in (1, -1):
            self._lapel(side)
        self._collar()

    def covers(self, face: mh.Face) -> bool:
        return self.under.covers(face)

    def _lapel(self, side: int) -> None:
        body = self.body
        top = body.ring(np.array([body.spread]))[0, 1]
        t = np.linspace(0, 1, 44)
        heights = top - 0.22 + (body.tip[1] - top + 0.22) * t
        width = np.interp(t, [0, 0.02, 0.14, 1.0], [0.50, 0.56, 0.60, 0.14])
        columns = []
        for share in np.linspace(0, 1, 9):
            point_up = 0.16 * share * (1 - smoothstep(0.0, 0.22, t))  # the peak of the notch
            line = body.edge(heights, side, width * share - 0.01)
            line[:, 1] += point_up
            columns.append(line)
        grid = np.stack(columns, 1)
        offset = np.array([0.075, 0.085, 0.08, 0.07, 0.06, 0.055, 0.05, 0.05, 0.05])
        body.cloth_sheet("lapel", body.drape(_eased(grid), offset))

    def _collar(self) -> None:
        body = self.body
        angles = np.concatenate(
            [np.linspace(body.spread - 6, 180, 40), np.linspace(-179, 6 - body.spread, 40)]
        )
        base = body.ring(angles)
        out = unit((base - base.mean(0)) * [1, 0, 1])
        up = body.normal
        front = (1 - smoothstep(45, 100, np.abs(angles)))[:, None]
        foot = base - out * 0.03 - up * 0.05
        fold = base - out * 0.02 + up * (0.22 - 0.14 * front)
        end = base + out * (0.30 + 0.16 * front) - up * (0.10 + 0.12 * front)
        share = np.linspace(0, 1, 8)[None, :, None]
        fall = fold[:, None] * (1 - share) + end[:, None] * share
        fall = fall + 0.07 * np.sin(share * np.pi) * out[:, None]
        grid = np.concatenate([foot[:, None], fall], 1)
        offset = np.concatenate([[-9], np.full(8, 0.08)])
        body.cloth_sheet("collar", body.drape(grid, offset))


def woven(colour: str, roughness: float, scale: float, strength: float) -> bpy.types.Material:
    """Plain cloth: two crossed waves of thread and a little unevenness."""
    shader = materials.Shader("woven")
    surface = shader.add("ShaderNodeBsdfPrincipled", Roughness=roughness, Sheen_Weight=0.15)
    surface.inputs["Specular IOR Level"].default_value = 0.25
    surface.inputs["Base Color"].default_value = (*materials.to_linear(colour), 1)
    at = shader.add("ShaderNodeTexCoord").outputs["Object"]
    fuzz = shader.add("ShaderNodeTexNoise", Scale=scale, Detail=4.0)
    fold = shader.add("ShaderNodeTexNoise", Scale=1.6, Detail=1.0)
    shader.link(at, fuzz.inputs["Vector"])
    shader.link(at, fold.inputs["Vector"])
    fine = shader.add("ShaderNodeBump", Strength=strength, Distance=0.01)
    soft = shader.add("ShaderNodeBump", Strength=0.35, Distance=0.12)
    shader.link(fuzz.outputs["Fac"], fine.inputs["Height"])
    shader.link(fold.outputs["Fac"], soft.inputs["Height"])
    shader.link(soft.outputs[0], fine.inputs["Normal"])
    shader.link(fine.outputs[0], surface.inputs["Normal"])
    return shader.finish(surface)


def _eased(grid: np.ndarray) -> np.ndarray:
    for _ in range(6):
        grid[1:-1] = grid[1:-1] * 0.5 + 0.25 * (grid[:-2] + grid[2:])
    return grid


def _button(centre: np.ndarray, look: bpy.types.Material) -> None:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rings = [
        centre + np.stack([r * np.cos(angle), r * np.sin(angle), np.full(24, z)], 1)
        for r, z in ((0.058, -0.03), (0.060, 0.0), (0.052, 0.012), (0.036, 0.004), (0.001, 0.004))
    ]
    faces = [
        [k * 24 + i, k * 24 + (i + 1) % 24, (k + 1) * 24 + (i + 1) % 24, (k + 1) * 24 + i]
        for k in range(4)
        for i in range(24)
    ]
    materials.add_mesh("button", np.concatenate(rings), faces, look)


def _by_azimuth(loop: np.ndarray) -> Curve:
    """The loop as a function of degrees from the front, positive to the character's left."""
    centre = (loop.min(0) + loop.max(0)) / 2
    angle = np.degrees(np.arctan2(loop[:, 0], loop[:, 2] - centre[2]))
    order = np.argsort(angle)
    angle, points = angle[order], loop[order]
    angle = np.r_[angle - 360, angle, angle + 360]
    points = np.concatenate([points] * 3)

    def curve(at: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(at, angle, points[:, k]) for k in range(3)], 1)

    return curve


def _subdivided(shell: bpy.types.Object) -> bpy.types.Object:
    """The shell with its modifiers turned into real geometry."""
    mesh = bpy.data.meshes.new_from_object(
        shell.evaluated_get(bpy.context.evaluated_depsgraph_get())
    )
    shell.modifiers.clear()
    shell.data = mesh
    return shell


def _surface(thing: bpy.types.Object) -> BVHTree:
    points = [tuple(materials.to_makehuman(np.array(v.co))) for v in thing.data.vertices]
    return BVHTree.FromPolygons(points, [tuple(p.vertices) for p in thing.data.polygons])
