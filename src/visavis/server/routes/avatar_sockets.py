"""Our face for your agent: ``WS /v1/avatar-stream`` takes sound, and answers with pictures.

Nothing is ever ignored in silence: whatever cannot be done is answered with a problem.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import structlog
from fastapi import APIRouter, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from visavis.api.avatar_stream import StreamQuery
from visavis.avatar.backends import worker_kit as kit
from visavis.media import FPS
from visavis.server.errors import Problem, document, from_validation, respond
from visavis.server.gate.access import identify, network
from visavis.server.routes import choices
from visavis.server.routes.avatar_speech import Speech
from visavis.server.services import Services
from visavis.sessions.borrowed_faces import BorrowedFaces, Wish
from visavis.sessions.borrowed_wire import Channel
from visavis.sessions.live import Refusal
from visavis.storage import avatars as avatar_store
from visavis.storage.blobs import BlobsError

IDLE_S = 300.0
"""Who says nothing for so long has gone."""
MAX_S = 3600.0

log = structlog.stdlib.get_logger("visavis.server")
router = APIRouter(prefix="/v1")


@router.websocket("/avatar-stream")
async def avatar_stream(socket: WebSocket) -> None:
    """See docs/faces.md. Needs ``avatars:stream``."""
    request = cast("Request", socket)  # of the same base class; the gate reads only headers
    try:
        wish = await _admit(socket, request)
    except Problem as problem:
        await socket.send_denial_response(respond(request, problem))
        return
    await socket.accept()
    faces: BorrowedFaces = socket.app.state.borrowed_faces
    services: Services = socket.app.state.services
    async with AsyncExitStack() as stack:
        try:
            await _state(socket, "connecting")
            channel = await stack.enter_async_context(
                faces.lend(wish, services.settings.avatar_streams)
            )
            await _serve(socket, channel, wish)
        except WebSocketDisconnect:
            pass
        except Refusal as refusal:
            problem = Problem(refusal.code, refusal.message, retry_s=refusal.retry_s)
            await _hang_up(socket, problem)
        except Problem as problem:
            await _hang_up(socket, problem)


async def _admit(socket: WebSocket, request: Request) -> Wish:
    """What is wished for, by someone who may. Raises ``Problem``."""
    services: Services = socket.app.state.services
    caller = await identify(request, services, "avatars:stream")
    if caller.kind != "home":
        counted = caller.actor if caller.kind == "key" else network(request, services.settings)
        verdict = services.rates.api.hit(counted)
        if not verdict.allowed:
            raise Problem("rate_limited", retry_s=verdict.reset_s)
    try:
        query = StreamQuery.model_validate(dict(socket.query_params))
    except ValidationError as error:
        raise from_validation(RequestValidationError(error.errors())) from None
    rig_file = await _rig_file(services, query.character_id)
    size = query.width, query.height
    return Wish(query.character_id, *size, int(query.sample_rate), rig_file, query.badge)


async def _rig_file(services: Services, character_id: str) -> Path | None:
    """The file of a face made here; None for one that visavis comes with. Raises ``Problem``."""
    if choices.comes_along(character_id):
        return None
    async with services.database.read() as session:
        known = await avatar_store.find(session, character_id)
    if known is None:
        raise Problem("character_not_found", f"There is no character {character_id!r}.")
    try:
        return await services.avatars.rig_file(character_id)
    except BlobsError:
        raise Problem("storage_unavailable", "The face cannot be read.", retry_s=5) from None


async def _serve(socket: WebSocket, channel: Channel, wish: Wish) -> None:
    """Until either side has had enough. Raises ``Problem``, ``WebSocketDisconnect``."""
    speech = Speech(channel, wish.sample_rate)
    size = {"width": wish.width, "height": wish.height}
    await _state(socket, "connected", **size, fps=FPS, codec="vp8", sample_rate=wish.sample_rate)
    talking = [
        asyncio.create_task(_listen(socket, speech)),
        asyncio.create_task(_answer(socket, channel, speech)),
    ]
    try:
        done, _ = await asyncio.wait(talking, timeout=MAX_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise Problem("session_ended", f"A stream lasts {MAX_S / 60:.0f} minutes at most.")
        for task in done:
            task.result()
    finally:
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


async def _listen(socket: WebSocket, speech: Speech) -> None:
    while True:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await socket.receive()
        except TimeoutError:
            raise Problem("session_ended", f"Nothing was said for {IDLE_S:.0f} s.") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        try:
            if message.get("bytes") is not None:
                speech.sound(message["bytes"])
            else:
                speech.obey(message.get("text") or "")
        except Problem as problem:
            await _tell_problem(socket, problem, fatal=False)


async def _answer(socket: WebSocket, channel: Channel, speech: Speech) -> None:
    """What the face sends, on to the caller."""
    while (message := await channel.receive()) is not None:
        if message.type == kit.FRAME:
            await socket.send_bytes(bytes(message.payload))
        elif message.type == kit.CONTROL:
            said = speech.report(message.turn, kit.parse_json(message.payload))
            if isinstance(said, Problem):
                await _tell_problem(socket, said, fatal=False)
            else:
                await socket.send_text(json.dumps(said))
    raise Problem("worker_lost", "The face's process has ended.")


async def _state(socket: WebSocket, state: str, **more: object) -> None:
    await socket.send_text(json.dumps({"type": "session.state_updated", "state": state, **more}))


async def _tell_problem(socket: WebSocket, problem: Problem, *, fatal: bool) -> None:
    body = {"type": "error", "fatal": fatal, **document(problem)}
    await socket.send_text(json.dumps(body))


async def _hang_up(socket: WebSocket, problem: Problem) -> None:
    log.info("avatar_stream_ended", code=problem.code)
    try:
        await _tell_problem(socket, problem, fatal=True)
        await _state(socket, "closed")
        await socket.close(1000 if problem.code == "session_ended" else 1011)
    except (WebSocketDisconnect, RuntimeError):  # they hung up first
        pass
