"""Builds the web pages into the package when it is built from a checkout."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILD_SECONDS = 600


class WebBuildHook(BuildHookInterface):
    """Runs Vite in ``web/``; what it makes in ``src/visavis/web/`` travels in wheel and sdist."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built = (root / "src/visavis/web/meet.html").is_file()
        # A source distribution carries the pages ready-made; an editable install keeps those
        # that are there (`npm run build` in web/ renews them).
        if built and (version == "editable" or (root / "PKG-INFO").is_file()):
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("Building visavis from a checkout needs Node 20.19 or newer (npm).")
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "web", check=True, timeout=BUILD_SECONDS)
