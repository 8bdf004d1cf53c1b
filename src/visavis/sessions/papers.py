"""What a session is made of, as the database and as its worker get it."""

from visavis.conversation.spec import SessionSpec
from visavis.events import SessionState
from visavis.sessions.endpoints import Endpoints
from visavis.sessions.live import Live
from visavis.sessions.recordings import capture_path, records
from visavis.settings import Settings
from visavis.storage.tables import SessionRow


def row_of(live: Live, created_ms: int) -> SessionRow:
    """A new session's row."""
    return SessionRow(
        id=live.session_id,
        agent_id=live.agent.id,
        agent_name=live.agent.name,
        configuration=live.agent.configuration.model_dump(mode="json"),
        state=SessionState.REQUEST.value,
        created_at=created_ms,
        join_by=live.join_by_ms,
        agent_version=live.agent.version,
        meta=live.options.metadata,
        callback_url=live.options.callback_url,
    )


def spec_of(live: Live, settings: Settings, endpoints: Endpoints) -> SessionSpec:
    """All that a worker needs to host the session."""
    recording = records(live.agent.configuration)
    path = str(capture_path(settings.data_dir, live.session_id)) if recording else None
    configuration = live.agent.configuration
    if live.options.video_render is not None:
        video = configuration.video.model_copy(update={"render": live.options.video_render})
        configuration = configuration.model_copy(update={"video": video})
    return SessionSpec(
        session_id=live.session_id,
        agent_id=live.agent.id,
        agent_name=live.agent.name,
        agent=configuration,
        ice_servers=settings.ice_servers,
        room_engine=settings.room_engine,
        context=live.options.context,
        tools=live.options.tools,
        outgoing_allow=settings.outgoing_allow,
        recording_consent=live.options.recording_consent,
        recording_path=path,
        rig_file=live.options.rig_file,
        background_file=live.options.background_file,
        stt=endpoints.stt,
        llm=endpoints.llm,
        tts=endpoints.tts,
        reference_tts=endpoints.reference_tts,
    )
