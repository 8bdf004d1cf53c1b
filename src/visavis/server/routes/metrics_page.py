"""``GET /metrics``: for Prometheus to scrape."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from visavis.server.gate.access import AnalyticsRead
from visavis.server.services import Provided

router = APIRouter(tags=["analytics"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(services: Provided, caller: AnalyticsRead) -> Response:
    """Counters since the server's start, in Prometheus' text format."""
    ready = {name: part.ready for name, part in services.parts.items()}
    page = await services.metrics.page(services.database, ready)
    return Response(page, headers={"Content-Type": CONTENT_TYPE_PLAIN_1_0_0})
