"""A transcript as one reads it: a line for every utterance."""

from collections.abc import Sequence

from visavis.records.transcript import Utterance


def plain_text(utterances: Sequence[Utterance], zero_ms: int, names: dict[str, str]) -> str:
    """``[m:ss] Name: words``; "—" ends what was interrupted. Nobody can forge a line."""
    lines: list[str] = []
    for utterance in utterances:
        minutes, seconds = divmod(max(utterance.start_ms - zero_ms, 0) // 1000, 60)
        name = " ".join(names[utterance.speaker].split())
        cut = " —" if utterance.interrupted else ""
        lines.append(f"[{minutes}:{seconds:02}] {name}: {' '.join(utterance.text.split())}{cut}\n")
    return "".join(lines)
