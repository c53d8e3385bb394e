"""The image model's prompts, by version. A version never changes once it has been used: add the next one."""

from inlet.errors import GenerationNotConfigured

_V1 = """\
You are given one photograph, most often a prenatal ultrasound scan. Turn it into a photorealistic portrait of the
baby as it might look shortly after birth.

Keep what the picture shows: the pose, the angle of the head, the proportions of forehead, nose, lips, chin and
cheeks, and the position of the hands. Where the scan is unclear, choose soft, natural newborn features rather than
inventing distinctive ones.

Style: a calm studio photograph in soft, warm window light; natural skin with fine texture; eyes closed or drowsy;
a plain knitted blanket in cream; a shallow depth of field; head and shoulders fill the frame.

Leave out everything that belongs to the scan and not to the child: text, numbers, scales, logos, measuring lines and
the fan-shaped border. Add no text, no watermark, no frame and no other person. The child is clothed or wrapped.

If the picture is no ultrasound scan, make a gentle, natural portrait of its main subject in the same light and style,
changing nothing about who or what it is.

Answer with exactly one picture."""

_PROMPTS = {"v1": _V1}


def get_prompt(version: str) -> str:
    """Return the prompt of that version. Raise `GenerationNotConfigured` for an unknown one."""
    try:
        return _PROMPTS[version]
    except KeyError:
        known = ", ".join(_PROMPTS)
        raise GenerationNotConfigured(f"There is no prompt version {version!r}; there is {known}.") from None
