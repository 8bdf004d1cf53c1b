"""The FastAPI application, made from the services it offers."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

import visavis
from visavis.server import errors
from visavis.server.gate.bodies import BodyMiddleware
from visavis.server.gate.idempotency import IdempotencyMiddleware
from visavis.server.gate.limits import RateLimitMiddleware
from visavis.server.middleware import CrashMiddleware, RequestIdMiddleware
from visavis.server.reference import docs, openapi
from visavis.server.routes import (
    agent_versions,
    agents,
    analytics,
    audit,
    avatar_sockets,
    avatars,
    commands,
    deliveries,
    ephemeral_agents,
    event_stream,
    faces,
    keys,
    meet,
    metrics_page,
    recordings,
    rooms,
    sessions,
    start,
    tools,
    webhooks,
)
from visavis.server.services import Provided, Services
from visavis.server.telemetry.metrics import MetricsMiddleware
from visavis.sessions.borrowed_faces import BorrowedFaces


def create_app(services: Services) -> FastAPI:
    """Routes, errors and middleware around ``services``; starts nothing."""
    app = FastAPI(
        title="visavis",
        version=visavis.__version__,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere; /openapi.json does not
        redoc_url=None,
    )
    app.state.services = services
    app.state.borrowed_faces = BorrowedFaces()
    errors.install(app, audit.auditor(services))
    # The last one added is the outermost.
    app.add_middleware(IdempotencyMiddleware, services=services)
    app.add_middleware(BodyMiddleware)
    app.add_middleware(RateLimitMiddleware, services=services)
    app.add_middleware(CrashMiddleware)
    # Any site may read answers: no cookies exist, and starting asks the agent's origin list.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-Request-ID",
        ],
        expose_headers=[
            "Accept-Ranges",
            "Content-Range",
            "ETag",
            "Idempotent-Replayed",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-ID",
        ],
        max_age=600,
    )
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=services.metrics)
    for resource in (
        agents,
        agent_versions,
        ephemeral_agents,
        tools,
        avatars,
        avatar_sockets,
        start,
        sessions,
        commands,
        event_stream,
        recordings,
        webhooks,
        deliveries,
        keys,
        audit,
        analytics,
        metrics_page,
    ):
        app.include_router(resource.router)
    app.include_router(rooms.router)
    app.include_router(faces.router)
    app.include_router(meet.router)
    app.include_router(docs.router)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_api_route("/readyz", _readyz, include_in_schema=False)
    openapi.install(app)
    app.mount("/assets", meet.HashedFiles(directory=meet.WEB / "assets", check_dir=False))
    return app


async def _healthz() -> dict[str, str]:
    """The process lives and its loop turns."""
    return {"status": "ok"}


async def _readyz(services: Provided) -> JSONResponse:
    """Whether sessions can start now, part by part."""
    parts = {name: part.ready for name, part in services.parts.items()}
    answer: dict[str, object] = {"ready": all(parts.values()), "parts": parts}
    if starting := services.starting:
        answer["detail"] = starting
    return JSONResponse(answer, 503 if starting else 200)
