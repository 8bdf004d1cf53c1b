"""The guide's Python is right: it compiles, and every name in it exists."""

import ast
import re
from pathlib import Path

from visavis.client import Client

GUIDE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")


def test_the_guides_python_names_what_there_is() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    tree = ast.parse(code)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "guide", "exec"), {})
    with Client() as client:
        for group, method in set(re.findall(r"client\.(\w+)\.(\w+)\(", code)):
            assert callable(getattr(getattr(client, group), method))
