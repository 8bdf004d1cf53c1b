"""Phonemes guessed from spelling, for voices that tell when each letter sounds.

Lips care for fewer differences than ears: p, b and m close them however a word is spelt, and
vowels need only be open, spread or round. So rules of a line each do, for Latin scripts.
"""

from collections.abc import Sequence

from visavis.media import PhonemeTime

_PAIRS = {
    **{"sh": "ʃ", "ch": "ʧ", "th": "θ", "ph": "f", "wh": "w", "ck": "k", "ng": "ŋ", "qu": "w"},
    **{"oo": "u", "ee": "i", "ea": "i", "ou": "W", "ow": "W", "oa": "O", "ai": "A", "ay": "A"},
    **{"oi": "Y", "oy": "Y", "au": "ɔ", "aw": "ɔ", "ie": "i", "ei": "A", "ew": "u", "gh": ""},
}
_LETTERS = {
    **{"a": "æ", "e": "ɛ", "i": "ɪ", "o": "ɔ", "u": "ʌ", "y": "i", "j": "ʤ", "c": "k", "q": "k"},
    **{"x": "s", "h": "h", "r": "ɹ", "g": "ɡ", "ä": "ɛ", "ö": "ø", "ü": "y", "ß": "s", "ñ": "ɲ"},
    **{"á": "a", "à": "a", "â": "a", "é": "e", "è": "ɛ", "ê": "ɛ", "í": "i", "ó": "o", "ú": "u"},
    **{letter: letter for letter in "bdfklmnpstvwz"},
}
_PAUSES = ",.!?;:—–…"


def phonemes_of(
    letters: Sequence[str], starts_s: Sequence[float], ends_s: Sequence[float]
) -> list[PhonemeTime]:
    """Phonemes of letters and their times, all of one length; what is no letter falls silent."""
    lower = [letter.lower() for letter in letters]
    out: list[PhonemeTime] = []
    at = 0
    while at < len(lower):
        pair = "".join(lower[at : at + 2])
        width = 2 if pair in _PAIRS else 1
        symbol = _PAIRS[pair] if width == 2 else _one(lower, at)
        end = at + width - 1
        if symbol and ends_s[end] > starts_s[at]:
            out.append(PhonemeTime(symbol, starts_s[at], ends_s[end]))
        at += width
    return out


def _one(letters: Sequence[str], at: int) -> str:
    letter = letters[at]
    if letter in _PAUSES:
        return "."
    after = letters[at + 1] if at + 1 < len(letters) else " "
    if letter == "e" and not after.isalpha() and _has_vowel(letters, at):
        return ""  # silent at the end of a word that has another vowel, as far as lips can tell
    return _LETTERS.get(letter, "")


def _has_vowel(letters: Sequence[str], end: int) -> bool:
    """Whether the word that goes on up to ``end`` has a vowel before it."""
    for letter in reversed(letters[:end]):
        if not letter.isalpha():
            return False
        if letter in "aeiouy":
            return True
    return False
