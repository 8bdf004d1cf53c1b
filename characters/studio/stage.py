"""Camera, lights and the renderer."""

import os
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from .materials import to_blender, to_makehuman

FOCAL, SENSOR = 85.0, 36.0
SPAN = 4.25
"""Decimetres that the picture is wide at the face."""
LOOK_AT = (0.0, 0.0, 6.88)
RAISE = 0.25
"""How far the camera stands above what it looks at."""


@dataclass(frozen=True)
class Light:
    place: tuple[float, float, float]
    size: float
    watts: float
    colour: tuple[float, float, float]
    mirrored: bool = True
    """Whether skin and lips shine from it."""


LIGHTS = (
    Light((-5.0, -8.0, 10.0), 5.5, 1080, (1.0, 0.94, 0.87)),
    Light((7.0, -8.0, 7.2), 6.5, 520, (0.88, 0.93, 1.0), mirrored=False),
    Light((-6.0, 5.5, 9.5), 3.0, 560, (0.92, 0.96, 1.0)),
    Light((6.0, 5.5, 10.0), 3.0, 620, (1.0, 0.94, 0.88)),
    Light((0.0, 1.0, 13.0), 3.5, 180, (1.0, 1.0, 1.0)),
)


class Stage:
    def __init__(self, size: int, samples: int, rim: float = 1.0) -> None:
        self.size = size
        self.scene = bpy.context.scene
        self._cycles(samples)
        self._film()
        for light in LIGHTS:
            _add_light(light, rim if light.place[1] > 5 else 1.0)
        self._world()
        self.camera = self._camera()

    def render(
        self, path: Path, box: tuple[int, int, int, int] | None = None, size: int | None = None
    ) -> None:
        """Writes an RGBA PNG, ``size`` other than the stage's if given.

        ``box`` (left, top, right, bottom) limits it; the picture stays clear outside.
        """
        render = self.scene.render
        render.resolution_x = render.resolution_y = size or self.size
        render.use_border = box is not None
        if box is not None:
            left, top, right, bottom = (v / self.size for v in box)
            render.border_min_x, render.border_max_x = left, right
            render.border_min_y, render.border_max_y = 1 - bottom, 1 - top
        render.filepath = str(path)
        bpy.ops.render.render(write_still=True)

    def project(self, points: np.ndarray) -> np.ndarray:
        """MakeHuman points to (x, y, depth): pixels from the top left, depth in pixels too."""
        view = np.array(self.camera.matrix_world.inverted())
        p = np.c_[to_blender(points), np.ones(len(points))] @ view.T
        depth = -p[:, 2]
        scale = FOCAL / SENSOR * self.size
        x = p[:, 0] / depth * scale + self.size / 2
        y = self.size / 2 - p[:, 1] / depth * scale
        return np.stack([x, y, depth * self.size / SPAN], -1)

    def ray(self, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Origin and direction, MakeHuman axes, of the view ray through a pixel."""
        to_world = np.array(self.camera.matrix_world)
        scale = SENSOR / FOCAL / self.size
        look = np.array([(x - self.size / 2) * scale, (self.size / 2 - y) * scale, -1])
        direction, origin = to_world[:3, :3] @ look, to_world[:3, 3]
        return to_makehuman(origin), to_makehuman(direction / np.linalg.norm(direction))

    def _cycles(self, samples: int) -> None:
        self.scene.render.engine = "CYCLES"
        cycles = self.scene.cycles
        cycles.device, cycles.samples = "CPU", samples
        cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.03
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 6, 2, 3
        cycles.transmission_bounces, cycles.transparent_max_bounces = 4, 8
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sample_clamp_indirect = 4

    def _film(self) -> None:
        render = self.scene.render
        render.film_transparent = True
        render.threads_mode = "FIXED"
        render.threads = int(os.environ.get("BAKE_THREADS", "1"))
        render.use_persistent_data = True
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode = "RGBA"
        self.scene.view_settings.view_transform = "Khronos PBR Neutral"
        self.scene.view_settings.exposure = -0.3

    def _world(self) -> None:
        world = bpy.data.worlds.new("world")
        world.use_nodes = True
        sky = world.node_tree.nodes["Background"]
        sky.inputs[0].default_value, sky.inputs[1].default_value = (0.8, 0.88, 1, 1), 0.4
        self.scene.world = world

    def _camera(self) -> bpy.types.Object:
        lens = bpy.data.cameras.new("camera")
        lens.lens, lens.sensor_width = FOCAL, SENSOR
        camera = bpy.data.objects.new("camera", lens)
        bpy.context.collection.objects.link(camera)
        away = SPAN / SENSOR * FOCAL + 1
        camera.location = Vector((0, -away, LOOK_AT[2] + RAISE))
        aim = Vector(LOOK_AT) - camera.location
        camera.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
        self.scene.camera = camera
        bpy.context.view_layer.update()
        return camera


def _add_light(light: Light, share: float) -> None:
    lamp = bpy.data.lights.new("light", "AREA")
    lamp.size, lamp.energy, lamp.color = light.size, light.watts * share, light.colour
    thing = bpy.data.objects.new("light", lamp)
    thing.location = light.place
    aim = Vector((0, -1, 7.1)) - Vector(light.place)
    thing.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
    thing.visible_glossy = light.mirrored
    bpy.context.collection.objects.link(thing)
