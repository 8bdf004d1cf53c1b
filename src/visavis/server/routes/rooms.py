"""Signalling of the embedded room, in the SmallWebRTC shape: offer, trickled candidates, end."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AliasChoices, BaseModel, Field

from visavis.events import EndReason
from visavis.server.errors import from_validation
from visavis.server.gate.access import bearer, check_room_token
from visavis.server.services import Provided
from visavis.sessions.control import Candidate


class _OfferRoute(APIRoute):
    """Here a malformed body is a ``bad_offer``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise from_validation(error, "bad_offer") from error

        return guarded


router = APIRouter(prefix="/rooms/{session_id}", route_class=_OfferRoute)


class OfferBody(BaseModel):
    """What a SmallWebRTC client posts. ``requestData.token`` stands in for the header."""

    sdp: Annotated[str, Field(min_length=1, max_length=200_000)]
    type: Literal["offer"]
    pc_id: str | None = Field(default=None, max_length=64)
    restart_pc: bool | None = Field(default=None, strict=True)
    request_data: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("requestData", "request_data")
    )


class AnswerBody(BaseModel):
    sdp: str
    type: Literal["answer"] = "answer"
    pc_id: str


class CandidatesBody(BaseModel):
    pc_id: str = Field(max_length=64)
    candidates: list[Candidate] = Field(max_length=64)


class Taken(BaseModel):
    status: Literal["success"] = "success"


@router.post("/api/offer")
async def offer(
    session_id: str, body: OfferBody, request: Request, services: Provided
) -> AnswerBody:
    """Join with the room token, or renegotiate as the peer that joined."""
    token = bearer(request) or _token_in(body.request_data)
    joining = not services.sessions.joined(session_id)
    origin = request.headers.get("origin")
    check_room_token(services, session_id, token, joining=joining, origin=origin)
    answer = await services.sessions.offer(session_id, body.sdp, body.pc_id)
    return AnswerBody(sdp=answer.sdp, pc_id=answer.pc_id)


@router.patch("/api/offer")
async def candidates(session_id: str, body: CandidatesBody, services: Provided) -> Taken:
    """Trickled candidates. The secret ``pc_id`` is the peer's credential here."""
    await services.sessions.add_candidates(session_id, body.pc_id, body.candidates)
    return Taken()


@router.delete("", status_code=204)
async def end(session_id: str, request: Request, services: Provided) -> None:
    """End the session; asks for the room token."""
    origin = request.headers.get("origin")
    check_room_token(services, session_id, bearer(request), joining=False, origin=origin)
    await services.sessions.end(session_id, EndReason.API_ENDED)


def _token_in(request_data: dict[str, Any] | None) -> str | None:
    token = (request_data or {}).get("token")
    return token if isinstance(token, str) else None
