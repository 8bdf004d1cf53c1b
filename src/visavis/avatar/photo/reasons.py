"""Why a photo cannot become a face, or could be better, in plain words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """``message`` says what is wrong, ``advice`` what to do about it."""

    code: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class PhotoRefused(Exception):
    """The photo cannot become a face; every reason that was found."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(" ".join(map(str, reasons)))
        self.reasons = reasons


_TEXTS = {
    "not_a_picture": ("This file is not a picture that can be read.", "Use a JPEG, PNG or WebP."),
    "heic": (
        "This is a HEIC or AVIF picture, which cannot be read here.",
        "Save it as a JPEG first; phones do so when a photo is shared or exported.",
    ),
    "too_large": ("The picture has too many pixels.", "Scale it down to at most 60 megapixels."),
    "no_face": (
        "No face was found.",
        "Use a photo of one person, seen from the front, upright, with nothing before the face.",
    ),
    "several_faces": ("There is more than one face.", "Crop the photo to one person."),
    "face_too_small": (
        "The face is too small: {height} pixels from chin to forehead, of at least {least}.",
        "Use a larger photo, or one taken from closer by.",
    ),
    "turned": (
        "The head is turned to the side by about {degrees} degrees.",
        "Look straight into the camera.",
    ),
    "nodding": (
        "The head looks {way} by about {degrees} degrees.",
        "Hold the camera at the height of the eyes and look straight into it.",
    ),
    "eyes_closed": ("The eyes are closed, or nearly.", "Use a photo with open eyes."),
    "eyes_hidden": (
        "The eyes cannot be seen: perhaps sunglasses, hair or a hand is before them.",
        "Take off dark glasses; clear ones are fine.",
    ),
    "mouth_hidden": (
        "The mouth cannot be seen: perhaps a hand, a mask or a microphone is before it.",
        "Use a photo with nothing before the mouth.",
    ),
    "mouth_wide_open": (
        "The mouth is wide open.",
        "Close the lips, or smile: a mouth that speaks cannot be closed well.",
    ),
    "cut_off": (
        "Part of the face lies outside the picture.",
        "Use a photo that shows the whole head.",
    ),
    "too_dark": ("The photo is too dark.", "Take it in daylight, facing a window."),
    "too_bright": (
        "The face is so bright that its features are lost.",
        "Take the photo out of direct sun or flash.",
    ),
    "one_sided": (
        "The light comes from one side only: half of the face is in the dark.",
        "Face the light, a window for example.",
    ),
    "blurred": ("The face is blurred.", "Hold the camera still, and see that the face is sharp."),
}

_REMARKS = {
    "soft": (
        "The face is only {height} pixels high and will look soft.",
        "A photo taken from closer by would look sharper.",
    ),
    "mouth_open": (
        "The mouth is open; it was closed for the resting face.",
        "A photo with closed lips looks more natural.",
    ),
    "uneven_light": ("One side of the face is darker.", "Even light would look better."),
    "slightly_turned": (
        "The head is turned a little.",
        "A photo straight from the front moves better.",
    ),
    "head_cut_off": (
        "The top of the head is outside the picture.",
        "Leave some room above the hair.",
    ),
}


def refusal(code: str, **values: object) -> Reason:
    """A reason to refuse, with its texts filled in."""
    message, advice = _TEXTS[code]
    return Reason(code, message.format(**values), advice)


def remark(code: str, **values: object) -> Reason:
    """Something that could be better, and does not refuse the photo."""
    message, advice = _REMARKS[code]
    return Reason(code, message.format(**values), advice)
