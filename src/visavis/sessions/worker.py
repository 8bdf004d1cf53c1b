"""The worker process: ``python -m visavis.sessions.worker --control-fd N``, run by the server."""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable

from pydantic import TypeAdapter

from visavis.conversation.spec import SessionSpec
from visavis.logs import configure_logging
from visavis.models.catalogue import ModelMissing
from visavis.rooms.base import IceServer, WebRtcRoom
from visavis.sessions.control import TO_WORKER, Failed, open_channel
from visavis.sessions.hosting import Hosting, Worker
from visavis.settings import settings


def embedded() -> Hosting:
    """The real thing: our WebRTC room and our conversation. Loads models; takes seconds."""
    from visavis.agents.demo import DEMO
    from visavis.conversation.assets import Assets
    from visavis.conversation.session import converse
    from visavis.rooms.priority import drop_realtime_priority
    from visavis.rooms.webrtc import open_room

    drop_realtime_priority()
    assets = Assets.load()
    assets.warm_up(DEMO.configuration.video)

    def room_for(spec: SessionSpec) -> WebRtcRoom:
        return open_room(
            engine=spec.room_engine,
            ice_servers=[_ice_server(server) for server in spec.ice_servers],
            size=(spec.agent.video.width, spec.agent.video.height),
            udp_ports=settings().udp_ports,
        )

    return Hosting(
        room_for,
        lambda spec, room, emit, commands: converse(spec, room, emit, assets, commands),
    )


def _ice_server(server: dict[str, object]) -> IceServer:
    """A browser's ``RTCIceServer`` as ours."""
    return TypeAdapter(IceServer).validate_python(
        {**server, "urls": [urls] if isinstance(urls := server.get("urls"), str) else urls}
    )


async def run(control_fd: int, load: Callable[[], Hosting]) -> int:
    """Load, then host sessions over the channel on ``control_fd`` until told to leave."""
    channel = await open_channel(socket.socket(fileno=control_fd), TO_WORKER)
    try:
        worker = Worker(channel, load())
        gc.collect()
        gc.freeze()  # what is loaded stays; collections at run time need not look at it
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.leave)
        await worker.run()
    except ModelMissing as error:
        channel.send(Failed(message=str(error)))
        return 1
    finally:
        await channel.close()
    if worker.stuck:  # asyncio would wait for it, for ever
        os._exit(1)
    return 0


def main(load: Callable[[], Hosting] = embedded) -> None:
    parser = argparse.ArgumentParser(prog="python -m visavis.sessions.worker", description=__doc__)
    parser.add_argument("--control-fd", type=int, required=True)
    arguments = parser.parse_args()
    configure_logging(settings().log_level)
    sys.exit(asyncio.run(run(arguments.control_fd, load)))


if __name__ == "__main__":
    main()
