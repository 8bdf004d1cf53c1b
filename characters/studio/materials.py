"""Blender meshes, curves and shader materials: the vocabulary the other parts build with."""

from pathlib import Path

import bpy
import numpy as np

from . import makehuman as mh
from .skin import to_linear


def to_blender(points: np.ndarray) -> np.ndarray:
    """MakeHuman (y up) to Blender (z up)."""
    p = np.asarray(points)
    return np.stack([p[..., 0], -p[..., 2], p[..., 1]], -1)


def to_makehuman(points: np.ndarray) -> np.ndarray:
    p = np.asarray(points)
    return np.stack([p[..., 0], p[..., 2], -p[..., 1]], -1)


def add_mesh(
    name: str,
    vertices: np.ndarray,
    faces: list[list[int]],
    material: bpy.types.Material,
    corner_uvs: np.ndarray | None = None,
    subdivide: int = 0,
) -> bpy.types.Object:
    """A smooth-shaded mesh; ``vertices`` in MakeHuman axes."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(to_blender(vertices).tolist(), [], [list(map(int, f)) for f in faces])
    if corner_uvs is not None:
        layer = mesh.uv_layers.new(name="UVMap")
        layer.data.foreach_set("uv", np.asarray(corner_uvs, np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(thing)
    if subdivide:
        modifier = thing.modifiers.new("subdivide", "SUBSURF")
        modifier.levels = modifier.render_levels = subdivide
    return thing


def move_mesh(thing: bpy.types.Object, vertices: np.ndarray) -> None:
    flat = to_blender(vertices).astype(np.float32).ravel()
    thing.data.vertices.foreach_set("co", flat)
    thing.data.update()


def add_strands(
    name: str, strands: np.ndarray, radius: float, taper: float, material: bpy.types.Material
) -> bpy.types.Object:
    """Hair curves, (count, points, 3); ``taper`` is the share of the radius lost at the tip."""
    count, points, _ = strands.shape
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([points] * count)
    widths = np.tile(radius * (1 - taper * np.linspace(0, 1, points) ** 2), (count, 1))
    attribute = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    attribute.data.foreach_set("value", widths.astype(np.float32).ravel())
    curves.materials.append(material)
    thing = bpy.data.objects.new(name, curves)
    bpy.context.collection.objects.link(thing)
    move_strands(thing, strands)
    return thing


def move_strands(thing: bpy.types.Object, strands: np.ndarray) -> None:
    flat = to_blender(strands).astype(np.float32).ravel()
    thing.data.position_data.foreach_set("vector", flat)
    thing.data.update_tag()


class Shader:
    """A node material being wired up."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        self.output = self.add("ShaderNodeOutputMaterial")

    def add(self, kind: str, **inputs: float) -> bpy.types.Node:
        """A node; keyword names are its input sockets, underscores for spaces."""
        node = self.tree.nodes.new(kind)
        for name, value in inputs.items():
            node.inputs[name.replace("_", " ")].default_value = value
        return node

    def link(self, source: bpy.types.NodeSocket, sink: bpy.types.NodeSocket) -> None:
        self.tree.links.new(source, sink)

    def finish(self, shader: bpy.types.Node) -> bpy.types.Material:
        self.link(shader.outputs[0], self.output.inputs[0])
        return self.material

    def image(self, path: Path, space: str = "sRGB") -> bpy.types.Node:
        node = self.add("ShaderNodeTexImage")
        node.image = bpy.data.images.load(str(path))
        node.image.colorspace_settings.name = space
        return node


def plain(
    name: str,
    colour: str,
    roughness: float,
    subsurface: float = 0.0,
    subsurface_scale: float = 0.05,
    specular: float = 0.5,
    coat: float = 0.0,
) -> bpy.types.Material:
    shader = Shader(name)
    surface = shader.add(
        "ShaderNodeBsdfPrincipled",
        Roughness=roughness,
        Subsurface_Weight=subsurface,
        Subsurface_Scale=subsurface_scale,
        Specular_IOR_Level=specular,
        Coat_Weight=coat,
        Coat_Roughness=0.08,
    )
    surface.inputs["Base Color"].default_value = (*to_linear(colour), 1)
    return shader.finish(surface)


def skin(texture: Path) -> bpy.types.Material:
    """Soft skin: subsurface light, roughness varied a little, lips glossier."""
    shader = Shader("skin")
    surface = shader.add(
        "ShaderNodeBsdfPrincipled",
        Subsurface_Weight=1.0,
        Subsurface_Scale=0.08,
        IOR=1.4,
        Specular_IOR_Level=0.36,
        Coat_Weight=0.03,
        Coat_Roughness=0.4,
    )
    surface.inputs["Subsurface Radius"].default_value = (1, 0.42, 0.25)
    shader.link(shader.image(texture).outputs[0], surface.inputs["Base Color"])
    lips = shader.image(mh.DATA / "mpfb2/textures/mpfb_lips.jpg", "Non-Color")
    gloss = shader.add("ShaderNodeMix")
    gloss.inputs[2].default_value, gloss.inputs[3].default_value = 0.55, 0.34
    shader.link(lips.outputs[0], gloss.inputs[0])
    shader.link(gloss.outputs[0], surface.inputs["Roughness"])
    return shader.finish(surface)


def knit(colour: str) -> bpy.types.Material:
    """Fine wool: a fuzzy sheen over a small ribbed bump."""
    shader = Shader("knit")
    surface = shader.add("ShaderNodeBsdfPrincipled", Roughness=0.85, Sheen_Weight=0.3)
    surface.inputs["Base Color"].default_value = (*to_linear(colour), 1)
    at = shader.add("ShaderNodeTexCoord").outputs["Object"]
    rib = shader.add("ShaderNodeTexWave", Scale=9.0, Distortion=1.2, Detail=2.0)
    fuzz = shader.add("ShaderNodeTexNoise", Scale=16.0, Detail=3.0)
    total = shader.add("ShaderNodeMath")
    for texture, sink in ((rib, total.inputs[0]), (fuzz, total.inputs[1])):
        shader.link(at, texture.inputs["Vector"])
        shader.link(texture.outputs["Fac"], sink)
    bump = shader.add("ShaderNodeBump", Strength=0.22, Distance=0.02)
    shader.link(total.outputs[0], bump.inputs["Height"])
    shader.link(bump.outputs[0], surface.inputs["Normal"])
    return shader.finish(surface)


def strands(melanin: float, redness: float) -> bpy.types.Material:
    shader = Shader("hair")
    fibre = shader.add("ShaderNodeBsdfHairPrincipled")
    fibre.parametrization = "MELANIN"
    for name, value in {
        "Melanin": melanin,
        "Melanin Redness": redness,
        "Random Color": 0.10,
        "Roughness": 0.32,
        "Radial Roughness": 0.45,
        "Random Roughness": 0.2,
    }.items():
        fibre.inputs[name].default_value = value
    return shader.finish(fibre)


def eyeball(texture: Path) -> bpy.types.Material:
    shader = Shader("eyeball")
    surface = shader.add(
        "ShaderNodeBsdfPrincipled",
        Roughness=0.3,
        Specular_IOR_Level=0.2,
        Subsurface_Weight=0.25,
        Subsurface_Scale=0.03,
    )
    shader.link(shader.image(texture).outputs[0], surface.inputs["Base Color"])
    return shader.finish(surface)


def metal(name: str, colour: str) -> bpy.types.Material:
    shader = Shader(name)
    surface = shader.add("ShaderNodeBsdfPrincipled", Metallic=1.0, Roughness=0.22)
    surface.inputs["Base Color"].default_value = (*to_linear(colour), 1)
    return shader.finish(surface)


def glow(name: str, strength: float) -> bpy.types.Material:
    shader = Shader(name)
    return shader.finish(shader.add("ShaderNodeEmission", Strength=strength))
