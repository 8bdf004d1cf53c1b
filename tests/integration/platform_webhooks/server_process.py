"""A server in a process of its own, to be killed: ``python server_process.py FOLDER DATABASE``.

Prints its URL once it listens.
"""

import asyncio
import sys
from pathlib import Path

from tests.integration.platform_webhooks.conversation import Stage
from visavis.jobs import deliveries, runtime
from visavis.jobs.schedule import Schedule
from visavis.logs import configure_logging
from visavis.server.opening import open_services
from visavis.server.run import listen, serving
from visavis.settings import Settings

deliveries.TIMEOUT_S = 50.0
deliveries.SWEEP_S = runtime.TAKE_OVER_S = 1.0


async def main(folder: Path, database_url: str) -> None:
    settings = Settings(
        _env_file=None,
        data_dir=folder,
        database_url=database_url,
        outgoing_allow=["127.0.0.1"],
    )
    stage = Stage()
    listener = listen("127.0.0.1", 0)
    schedule = Schedule((0.5,) * 20, jitter=0)
    async with (
        open_services(settings, stage, stage, redelivery=schedule) as services,
        serving(services, listener),
    ):
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("error")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
