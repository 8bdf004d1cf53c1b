"""Build-time studio: a human from CC0 MakeHuman data, rendered by Cycles into an avatar file."""

import bpy  # noqa: F401  Blender's own modules (mathutils, bmesh) can be imported only after it
