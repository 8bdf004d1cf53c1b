"""The typed Python client of a visavis server.

from visavis.client import Client

with Client() as client:
    for agent in client.agents.iterate():
        print(agent.name)
"""

from visavis.client.call import Call, Download
from visavis.client.client import AsyncClient, Client
from visavis.client.errors import ApiError, BadAnswer, ClientError, Unreachable

__all__ = [
    "ApiError",
    "AsyncClient",
    "BadAnswer",
    "Call",
    "Client",
    "ClientError",
    "Download",
    "Unreachable",
]
