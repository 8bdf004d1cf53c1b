"""What the agent says while a tool keeps it waiting."""

from itertools import cycle

FIRST_S = 0.7
"""Silence before the first words."""
AGAIN_S = 8.0
"""Silence before the second, which are the last."""

_WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        (
            "One moment, let me check.",
            "Let me see.",
            "Just a second.",
            "Hold on, I'm looking into it.",
            "Sure, give me a moment.",
        ),
        (
            "This is taking a little longer, I'm still on it.",
            "Still working on it, thanks for waiting.",
            "Sorry for the wait, almost there.",
        ),
    ),
    "de": (
        ("Einen Moment, ich schaue nach.", "Mal sehen.", "Eine Sekunde bitte."),
        ("Es dauert noch einen Augenblick.", "Ich bin noch dran, danke für die Geduld."),
    ),
    "fr": (
        ("Un instant, je regarde.", "Voyons voir.", "Une petite seconde."),
        ("Ça prend un peu plus de temps.", "J'y suis presque, merci de patienter."),
    ),
    "es": (
        ("Un momento, lo compruebo.", "Vamos a ver.", "Un segundo, por favor."),
        ("Está tardando un poco más.", "Sigo en ello, gracias por esperar."),
    ),
}


class Fillers:
    """Short words in the agent's language, never the same twice running; none if unknown."""

    def __init__(self, language: str) -> None:
        self.speak(language)

    def speak(self, language: str) -> None:
        """Use ``language`` (a BCP 47 tag) from now on."""
        first, again = _WORDS.get(language.partition("-")[0].lower(), ((), ()))
        self._first, self._again = cycle(first), cycle(again)

    def first(self) -> str:
        return next(self._first, "")

    def again(self) -> str:
        return next(self._again, "")
