"""Tools in the database, as the start of a session reads them."""

from visavis.agents.tools import ToolDefinition
from visavis.storage import tools as store
from visavis.storage.database import Database
from visavis.storage.vault import Vault

VAULT = Vault(b"one secret of this server's")


def tool(number: int) -> ToolDefinition:
    return ToolDefinition.model_validate(
        {
            "id": f"t{number}",
            "name": f"tool_{number}",
            "description": "Does something.",
            "server_url": "https://example.com/",
            "headers": {"X-Key": f"header-{number}"},
            "auth_config": {"type": "hmac", "secret": f"secret-{number}"},
            "timeout_seconds": 7,
            "allowed_tools": ["a"],
            "tags": ["b"],
        }
    )


async def test_definitions_come_whole_in_the_order_asked_for(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()
    async with database.write() as session:
        for number in range(3):
            session.add(store.row_of(tool(number), VAULT, number))
    async with database.read() as session:
        found = await store.definitions(session, VAULT, ["t2", "gone", "t0", "t2"])
        assert found == [tool(2), tool(0)]
        assert await store.definitions(session, VAULT, []) == []
        assert await store.existing_ids(session, ["t1", "gone"]) == {"t1"}
        assert await store.existing_ids(session, []) == set()
    await database.close()


async def test_secrets_of_another_server_cost_only_their_own_tool(database_url: str) -> None:
    database = Database(database_url)
    await database.migrate()
    async with database.write() as session:
        session.add(store.row_of(tool(1), Vault(b"a secret that was lost"), 1))
        session.add(store.row_of(tool(2), VAULT, 2))
    async with database.read() as session:
        assert await store.definitions(session, VAULT, ["t1", "t2"]) == [tool(2)]
    await database.close()
