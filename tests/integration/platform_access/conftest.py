from tests.integration.control_plane.conftest import House, open_house

__all__ = ["House", "open_house"]
