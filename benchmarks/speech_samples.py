"""Sentences in two voices, with the times of their phonemes from the networks that spoke them.

``heart`` is the embedded voice. ``joe`` is Piper's; Piper is GPL, so it runs as a program of its
own. Both predict how long each phoneme lasts and then speak accordingly: times that no aligner of
ours has touched.
"""

import json
import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visavis.caller.voices import _joe_model
from visavis.media import PhonemeTime, SpeechChunk
from visavis.models.catalogue import model_path
from visavis.models.hibari import Hibari, _with_output

SENTENCES = (
    "Hello, and welcome. My name is Ava, and I am happy to meet you.",
    "Maybe we should move the meeting to Friday morning.",
    "The printer is on the second floor, beside the big blue map.",
    "Please keep your badge with you at all times.",
    "Could you tell me a bit more about the problem?",
    "My brother bought a brown umbrella in Bombay.",
    "I will put the papers back on top of the cabinet.",
    "What a beautiful evening it has been!",
    "She sells fresh fish and five pounds of plums.",
    "That is a very good question, thank you for asking.",
    "We open at half past seven and close before midnight.",
    "The museum remembers the people who built the bridge.",
    "Perhaps a simple example will make it plain.",
    "Nobody knows how many animals live up there.",
    "Press the yellow button, then wait for the beep.",
    "Our team moved to a bigger room last November.",
    "It was raining, but the boys kept playing football.",
    "Can you help me pick a name for the new boat?",
    "Thirty thieves thought that they thrilled the throne.",
    "Would you rather walk to the harbour or go by bus?",
    "Remember to bring a map, a lamp, and some warm clothes.",
    "I am sorry, I did not catch that. Could you say it again?",
    "A cup of coffee would be perfect right now.",
    "Bob may jump over the pond if he wants to impress mum.",
)

PRACTICE = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.",
    "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.",
    "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.",
    "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
    "The small pup gnawed a hole in the sock.",
    "The fish twisted and turned on the bent hook.",
    "Press the pants and sew a button on the vest.",
    "The swan dive was far short of perfect.",
    "The beauty of the view stunned the young boy.",
    "Two blue fish swam in the tank.",
    "Her purse was full of useless trash.",
    "The colt reared and threw the tall rider.",
    "It snowed, rained, and hailed the same morning.",
    "Read verse out loud for pleasure.",
    "Hoist the load to your left shoulder.",
    "Take the winding path to reach the lake.",
    "Note closely the size of the gas tank.",
    "Wipe the grease off his dirty face.",
    "Mend the coat before you go out.",
    "The wrist was badly strained and hung limp.",
    "The stray cat gave birth to kittens.",
    "The young girl gave no clear response.",
    "The meal was cooked before the bell rang.",
    "What joy there is in living.",
    "A king ruled the state in the early days.",
    "The ship was torn apart on the sharp reef.",
    "Sickness kept him home the third week.",
    "The wide road shimmered in the hot sun.",
    "The lazy cow lay in the cool grass.",
    "Lift the square stone over the fence.",
    "The rope will bind the seven books at once.",
    "Hop over the fence and plunge in.",
    "The friendly gang left the drug store.",
    "Mesh wire keeps chicks inside.",
    "The frosty air passed through the coat.",
    "The crooked maze failed to fool the mouse.",
    "Adding fast leads to wrong sums.",
    "The show was a flop from the very start.",
    "A saw is a tool used for making boards.",
    "The wagon moved on well oiled wheels.",
    "March the soldiers past the next hill.",
    "A cup of sugar makes sweet fudge.",
    "Place a rosebush near the porch steps.",
    "Both lost their lives in the raging storm.",
)
"""The Harvard sentences (IEEE, 1969): for what is trained, never for what is reported."""

_PIPER = """
import json, sys, wave
from piper import PiperVoice
voice = PiperVoice.load(sys.argv[1], sys.argv[2])
for n, text in enumerate(json.load(sys.stdin)):
    times = []
    with wave.open(f"{sys.argv[3]}/{n}.wav", "wb") as out:
        out.setparams((1, 2, voice.config.sample_rate, 0, "NONE", ""))
        for chunk in voice.synthesize(text, include_alignments=True):
            out.writeframes(chunk.audio_int16_bytes)
            samples, at = chunk.phoneme_id_samples, 0
            for part in chunk.phoneme_alignments:
                upto = at + len(part.phoneme_ids)
                times.append([part.phoneme, int(samples[at]), int(sum(samples[at + 1 : upto]))])
                at = upto
    with open(f"{sys.argv[3]}/{n}.json", "w") as out:
        json.dump(times, out)
"""
"""Writes the sound, and for each phoneme how many samples it and the blank after it last."""
_PIPER_MARKS = "^$"


def heart(sentences: Sequence[str], speed: float = 1.0) -> list[SpeechChunk]:
    """One chunk a sentence, 24 kHz, with its own times."""
    voice = Hibari(model_path("hibari-heart"))
    return [joined(list(voice.speak(sentence, speed))) for sentence in sentences]


def joe(sentences: Sequence[str]) -> list[SpeechChunk]:
    """One chunk a sentence, 22.05 kHz, with Piper's own times; no words."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "joe.onnx"
        model.write_bytes(_with_output(_joe_model().read_bytes(), "/Ceil_output_0"))
        subprocess.run(
            [sys.executable, "-c", _PIPER, str(model), f"{_joe_model()}.json", folder],
            input=json.dumps(list(sentences)).encode(),
            check=True,
            timeout=300,
        )
        return [_piper_chunk(Path(folder), n, text) for n, text in enumerate(sentences)]


def joined(chunks: Sequence[SpeechChunk]) -> SpeechChunk:
    """Chunks of one voice, one after the other."""
    phonemes: list[PhonemeTime] = []
    start_s = 0.0
    for chunk in chunks:
        phonemes += [
            PhonemeTime(p.symbol, start_s + p.start_s, start_s + p.end_s) for p in chunk.phonemes
        ]
        start_s += chunk.duration_s
    pcm = np.concatenate([chunk.pcm for chunk in chunks])
    text = " ".join(chunk.text for chunk in chunks)
    return SpeechChunk(pcm, chunks[0].sample_rate, text, phonemes=tuple(phonemes))


def _piper_chunk(folder: Path, n: int, text: str) -> SpeechChunk:
    with wave.open(str(folder / f"{n}.wav")) as source:
        rate = source.getframerate()
        pcm = np.frombuffer(source.readframes(source.getnframes()), "<i2").astype(np.int16)
    phonemes: list[PhonemeTime] = []
    at = before = 0
    for symbol, samples, after in json.loads((folder / f"{n}.json").read_text()):
        # Half of each blank belongs to either neighbour.
        start, at = at - before / 2, at + samples + after
        before = after
        if symbol not in _PIPER_MARKS:
            phonemes.append(PhonemeTime(symbol, start / rate, (at - after / 2) / rate))
    return SpeechChunk(pcm, rate, text, phonemes=tuple(phonemes))
