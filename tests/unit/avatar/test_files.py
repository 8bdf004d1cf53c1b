"""What browsers are told of the mesh is what the renderer here uses."""

import json

import numpy as np

from visavis.avatar import files, topology
from visavis.avatar.coefficients import ARKIT


def test_the_mesh() -> None:
    mesh = json.loads(files.mesh_json())
    assert tuple(mesh["arkit"]) == ARKIT
    assert np.array_equal(np.reshape(mesh["triangles"], (-1, 3)), topology.triangles())
    assert np.array_equal(mesh["lipRings"], topology.LIP_RINGS)
    assert mesh["upperLip"] == mesh["lipRings"][0][3]
    assert mesh["lowerLip"] == mesh["lipRings"][1][3]
    assert [eye["iris"] for eye in mesh["eyes"]] == [468, 473]
    for eye in mesh["eyes"]:
        assert eye["upper"][0] == eye["lower"][0]
        assert eye["upper"][-1] == eye["lower"][-1]
        assert [len(row) for row in eye["skin"]] == [7, 7]
    assert len(files.mesh_json()) < 20_000


def test_the_deltas() -> None:
    deltas = np.frombuffer(files.deltas_f16(), "<f2").reshape(52, 478, 3)
    assert np.abs(deltas - topology.generic_deltas()).max() < 1e-3
