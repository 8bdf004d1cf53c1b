"""What a voice should read of what a language model wrote."""

import re
import unicodedata

_CODE_FENCE = re.compile(r"```.*?(?:```|$)", re.S)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|>\s+|[-*+•]\s+)", re.M)
_EMPHASIS = re.compile(r"(\*{1,3}|_{2,3}|~~|`)(?=\S)(.+?)(?<=\S)\1", re.S)
_STRAY = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_SPACE = re.compile(r"\s+")


def speakable(text: str) -> str:
    """Plain text on one line: markdown, code blocks and emoji are not for the ear."""
    text = _CODE_FENCE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _LINE_MARK.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _STRAY.sub("", text)
    text = "".join(char for char in text if not _is_pictogram(char))
    return _SPACE.sub(" ", text).strip()


def _is_pictogram(char: str) -> bool:
    """Emoji and dingbats, with their joiners, skin tones and variation selectors."""
    code = ord(char)
    if code in (0x200D, 0x20E3) or 0xFE00 <= code <= 0xFE0F:
        return True
    return code >= 0x2190 and unicodedata.category(char) in ("So", "Sk", "Cs", "Co", "Cn")
