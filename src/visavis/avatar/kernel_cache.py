"""Where compiled kernels are kept where numba would find no place, and give up."""

import os
import tempfile
from pathlib import Path


def provide() -> None:
    """Name a place for numba's cache if package and home are both read-only.

    Numba keeps it beside the code, else in the user's cache, else raises when a kernel is imported.
    To be called before numba is.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    beside = Path(__file__).parent / "__pycache__"
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not (_writable(beside) or _writable(user)):
        os.environ["NUMBA_CACHE_DIR"] = str(_private())


def _writable(folder: Path) -> bool:
    """Whether files can be put there, once it and what leads to it are made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _private() -> Path:
    """A folder that outlives the process, if nobody else owns it: what is in it is executed."""
    folder = Path(tempfile.gettempdir()) / f"visavis-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o7077 or folder.is_symlink():
        return Path(tempfile.mkdtemp(prefix="visavis-kernels-"))
    return folder
