"""The zip file a rig comes in, from whoever sends it: read in memory, every size bounded first."""

import io
import stat
import struct
import zipfile
import zlib

_MAX_FILE = 4 << 20
_MAX_TOTAL = 32 << 20
_MAX_DIRECTORY = 32 << 10
"""More than the names of a rig's members can take."""
_END = struct.Struct("<4sHHHHIIH")
"""The record that ends a zip: …, bytes of the directory, where it begins, length of a comment."""
_END_64 = b"PK\x06\x07"
_LOCAL_HEADER = 30
_MAX_COMMENT = 0xFFFF

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
)
"""What zipfile raises for a file that is damaged, or lies about where things are."""


class RigError(ValueError):
    """The file is no rig, or no rig we trust; the message says which part."""


def members(data: bytes, most: int) -> dict[str, bytes]:
    """What the zip file holds, by name; at most so many members. Raises ``RigError``."""
    if len(data) > _MAX_TOTAL:
        raise RigError(f"larger than {_MAX_TOTAL >> 20} MiB")
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check(infos, most)
            return {info.filename: _member(archive, info) for info in infos}
    except RigError:
        raise
    except _BROKEN as error:
        raise RigError(f"not a readable zip file: {str(error)[:200]}") from error


def _check_directory(data: bytes) -> None:
    """A list of a million members is refused before it is read."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _MAX_COMMENT - _END.size))
    if at < 0 or at + _END.size > len(data):
        raise RigError("not a readable zip file: it has no end")
    if at >= 20 and data[at - 20 : at - 16] == _END_64:
        raise RigError("a zip file of the large kind (zip64): a rig is never one")
    if _END.unpack_from(data, at)[5] > _MAX_DIRECTORY:
        raise RigError("too many files")


def _check(infos: list[zipfile.ZipInfo], most: int) -> None:
    if len(infos) > most:
        raise RigError(f"{len(infos)} files are too many")
    if len({info.filename for info in infos}) != len(infos):
        raise RigError("the same name twice")
    for info in infos:
        name = repr(info.filename[:80])
        if info.flag_bits & 0x1:
            raise RigError(f"{name} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RigError(f"{name} is packed in an unusual way")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise RigError(f"{name} is a link or a folder, not a file")
        if info.file_size > _MAX_FILE:
            raise RigError(f"{name} is larger than {_MAX_FILE} bytes")
    if sum(info.file_size for info in infos) > _MAX_TOTAL:
        raise RigError(f"more than {_MAX_TOTAL} bytes in all")
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise RigError(f"{info.filename[:80]!r} lies over another file")
        end = info.header_offset + _LOCAL_HEADER + info.compress_size


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, never more than its header promised, whatever the stream holds."""
    with archive.open(info) as stream:
        data = stream.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise RigError(f"{info.filename!r} is not as long as its header says")
    return data
