"""Film a character for 20 seconds, with sound: ``python characters/film.py NAME``.

Writes docs/characters/NAME.webm: listening, then speaking with moods, drawn by the product's own
renderer and spoken by the embedded voice. Run with ``visavis`` installed and its models pulled.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from visavis.avatar import rig
from visavis.avatar.photo import preview_clip
from visavis.media import Emotion, EmotionTime, SpeechChunk
from visavis.models.catalogue import model_path
from visavis.models.hibari import RATE, Hibari

DOCS = Path(__file__).parents[1] / "docs" / "characters"
SECONDS = 20
SAYS: tuple[tuple[Emotion, str], ...] = (
    ("happy", "Hello! My name is {name}, and it is a pleasure to meet you."),
    ("thoughtful", "I was made on an ordinary computer, from pictures that belong to everybody."),
    ("surprised", "Would you believe that no big machine is needed for this?"),
    ("concerned", "Sometimes people ask whether my lips will keep up with what I say."),
    ("happy", "Maybe you should be the judge of that. Bring me a problem, and we will see."),
)


def spoken(name: str, voice: str) -> SpeechChunk:
    """All of it as one chunk, with its phonemes and moods."""
    hibari = Hibari(model_path("hibari-heart"))
    parts: list[np.ndarray] = []
    whole = SpeechChunk(np.zeros(0, np.int16), RATE, "")
    now_s = 0.0
    for emotion, text in SAYS:
        whole = replace(whole, emotions=(*whole.emotions, EmotionTime(emotion, 0.7, now_s)))
        for chunk in hibari.speak(text.format(name=name), voice=voice):
            moved = tuple(
                replace(phone, start_s=phone.start_s + now_s, end_s=phone.end_s + now_s)
                for phone in chunk.phonemes
            )
            parts.append(chunk.pcm)
            whole = replace(whole, phonemes=(*whole.phonemes, *moved))
            now_s += chunk.duration_s
    return replace(whole, pcm=np.concatenate(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("character")
    face = rig.load(rig.find(parser.parse_args().character))
    speech = spoken(face.manifest.name, face.manifest.voice or "heart")
    DOCS.mkdir(parents=True, exist_ok=True)
    path = DOCS / f"{face.manifest.id}.webm"
    path.write_bytes(preview_clip(face, speech, SECONDS))
    print(f"{path}: {speech.duration_s:.1f} s of speech, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
