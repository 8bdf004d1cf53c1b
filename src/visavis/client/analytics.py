"""What sessions amounted to: ``/v1/analytics``."""

from datetime import UTC, datetime

from visavis.api.analytics import ByAgent, ByTool, Interval, Summary, Timeseries
from visavis.client.call import Call, Decoder, Download, into
from visavis.client.operation import Resource, S, operation, streaming


class Analytics(Resource[S]):
    """Without a period, the 30 days until now. A moment without a time zone is local time."""

    @operation
    def summary(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        agent_id: str | None = None,
    ) -> Call[Summary]:
        """All sessions of the period in numbers."""
        query = {"from": _iso(from_), "to": _iso(to), "agent_id": agent_id}
        return Call("GET", "/v1/analytics/summary", into(Summary), query=query)

    @operation
    def timeseries(
        self,
        *,
        interval: Interval = "day",
        from_: datetime | None = None,
        to: datetime | None = None,
        agent_id: str | None = None,
    ) -> Call[Timeseries]:
        """The same interval by interval."""
        query = {"from": _iso(from_), "to": _iso(to), "agent_id": agent_id, "interval": interval}
        return Call("GET", "/v1/analytics/timeseries", into(Timeseries), query=query)

    @operation
    def agents(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        limit: int | None = None,
    ) -> Call[ByAgent]:
        """The same by agent, those with the most sessions first."""
        query = {"from": _iso(from_), "to": _iso(to), "limit": limit}
        return Call("GET", "/v1/analytics/agents", into(ByAgent), query=query)

    @operation
    def tools(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        agent_id: str | None = None,
    ) -> Call[ByTool]:
        """Calls, successes and times, by tool."""
        query = {"from": _iso(from_), "to": _iso(to), "agent_id": agent_id}
        return Call("GET", "/v1/analytics/tools", into(ByTool), query=query)

    @streaming
    def sessions_csv(
        self,
        *,
        from_: datetime | None = None,
        to: datetime | None = None,
        agent_id: str | None = None,
    ) -> Download[bytes]:
        """A CSV file with a row per session, piece by piece."""
        query = {"from": _iso(from_), "to": _iso(to), "agent_id": agent_id}
        return Download("/v1/analytics/sessions.csv", _as_it_comes, query=query)


def _as_it_comes() -> Decoder[bytes]:
    return lambda piece: (piece,)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
