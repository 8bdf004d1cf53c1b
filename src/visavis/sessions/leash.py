"""Run a module as a child that cannot outlive its parent.

``python -m visavis.sessions.leash [--nice N] MODULE [ARGS…]``. Even if the server is killed
outright, its workers and model host go with it: politely first (SIGTERM), then not.
"""

import os
import runpy
import select
import signal
import sys
import threading
import time

GRACE_S = 5.0


def _wait_for_exit(pid: int) -> None:
    """Block until ``pid``, our parent, is gone."""
    if sys.platform == "linux":
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # already gone, or a kernel older than 5.3
            pidfd = -1
        if pidfd >= 0:
            select.select([pidfd], [], [])
            return
    while os.getppid() == pid:
        time.sleep(0.5)


def _follow(parent: int) -> None:
    _wait_for_exit(parent)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> None:
    parent = os.getppid()
    if arguments[:1] == ["--nice"]:
        os.nice(int(arguments[1]))
        arguments = arguments[2:]
    threading.Thread(target=_follow, args=(parent,), name="leash", daemon=True).start()
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
