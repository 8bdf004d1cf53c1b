"""Keep libwebrtc's threads from running at real-time priority."""

import ctypes
import sys

_CAP_SYS_NICE = 1 << 23
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_realtime_priority() -> None:
    """Give up CAP_SYS_NICE for this thread and those it starts from now on.

    With that capability (root outside of a container) libwebrtc runs its encoder queues at
    SCHED_FIFO 49, where they starve everything else on the machine. The room does this before it
    makes its first libwebrtc thread; a no-op elsewhere than on Linux.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)()  # version 3 splits 64 capabilities into two words
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    if not sets[0].permitted & _CAP_SYS_NICE:
        return
    for field in ("effective", "permitted", "inheritable"):
        setattr(sets[0], field, getattr(sets[0], field) & ~_CAP_SYS_NICE)
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
