"""A whole server with scripted conversations; see the control plane's tests."""

from tests.integration.control_plane.conftest import open_house

__all__ = ["open_house"]
