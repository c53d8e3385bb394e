"""Every number of a speech, against counts made by hand and for whatever speech there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inlet.speaking_sessions.speech import hints, numbers
from inlet.speaking_sessions.speech.numbers import Interval, Sound
from inlet.speaking_sessions.speech.words import Word, in_segments

WORDS = st.lists(
    st.sampled_from(["the", "river", "um", "you", "know", "is", "slow", "you know", "Um,", "—"]), max_size=200
)


@st.composite
def sounds(draw: st.DrawFn) -> Sound:
    """Any recording: stretches of speech in order and apart."""
    gaps = draw(st.lists(st.tuples(st.floats(0.02, 5), st.floats(0.1, 20)), max_size=20))
    speech, now = [], 0.0
    for silence, spoken in gaps:
        speech.append(Interval(now + silence, now + silence + spoken))
        now = speech[-1].end
    return Sound(now + draw(st.floats(0.1, 5)), speech, -20.0 if speech else None, draw(st.floats(0, 1)))


SPEECH = Sound(
    total_secs=65.0,
    speech=[Interval(1, 20), Interval(20.3, 30), Interval(30.6, 50), Interval(53, 61)],
    loudness_db=-21.37,
    clipped_share=0.0,
)
TEXT = "Um, the the river, you know, is slow. I mean: it’s, uh, a river! " * 5  # 14 words


def test_by_hand() -> None:
    found = numbers.measure(SPEECH, TEXT, "en-GB")
    assert found["totalSecs"] == 65.0
    assert found["speakingSecs"] == 56.1
    assert found["longestRunSecs"] == 29.0, "a silence of 0.3 s is no pause"
    assert [run["startSecs"] for run in found["runs"]] == [1, 30.6, 53]
    assert found["pauses"] == {"count": 2, "longCount": 1, "longestSecs": 3.0}
    assert found["words"] == 70
    assert found["wordsPerMinute"] == 70.0, "in the 60 s from the first word to the last"
    assert found["articulationRate"] == 74.87
    assert found["fillers"] == {
        "count": 20,
        "per100Words": 28.57,
        "byWord": {"um": 5, "you know": 5, "i mean": 5, "uh": 5},
    }
    assert found["repeatedWords"] == 5
    assert found["vocabulary"] == 0.171, "twelve different words"
    assert found["loudnessDb"] == -21.4


@pytest.mark.parametrize(("text", "seconds"), [("word " * 49, 60.0), ("word " * 200, 29.0)])
def test_no_rate_is_told_by_chance(text: str, seconds: float) -> None:
    found = numbers.measure(Sound(seconds, [Interval(0, seconds)], -20, 0), text, "en")
    assert (found["wordsPerMinute"], found["articulationRate"], found["vocabulary"]) == (None, None, None)
    assert found["fillers"] is not None
    assert found["fillers"]["per100Words"] is None


def test_without_a_transcript_what_can_be_heard_is_told() -> None:
    found = numbers.measure(SPEECH, None, "fi")
    assert found["speakingSecs"] == 56.1
    assert (found["words"], found["fillers"], found["wordsPerMinute"]) == (None, None, None)


def test_other_languages_get_numbers_and_no_judgement() -> None:
    found = numbers.measure(SPEECH, "sana " * 300, "fi")
    assert found["wordsPerMinute"] == 300.0
    assert found["fillers"] is None
    assert hints.from_numbers(found, "fi") == []
    assert [hint["category"] for hint in hints.from_numbers(found, "en")] == ["pace"]


@given(sounds(), WORDS, st.sampled_from(["en", "fi"]))
def test_numbers_of_any_speech_agree_with_each_other(sound: Sound, words: list[str], language: str) -> None:
    found = numbers.measure(sound, " ".join(words), language)
    assert 0 <= found["longestRunSecs"] <= found["totalSecs"] + 0.01
    assert found["speakingSecs"] <= found["totalSecs"] + 0.01
    pauses = found["pauses"]
    assert pauses["longCount"] <= pauses["count"] < max(1, len(sound.speech))
    assert (pauses["longestSecs"] >= numbers.PAUSE_SECS - 0.01) == (pauses["count"] > 0)
    if found["articulationRate"] and found["wordsPerMinute"]:
        assert found["articulationRate"] >= found["wordsPerMinute"] - 0.01
    if found["fillers"] is not None:
        assert found["fillers"]["count"] == sum(found["fillers"]["byWord"].values()) <= (found["words"] or 0)
    assert len({hint["category"] for hint in hints.from_numbers(found, language)}) <= 5


@given(
    st.lists(
        st.tuples(st.sampled_from(["so", "it", "ends.", "why?"]), st.floats(0, 2), st.floats(0.05, 3)), max_size=40
    )
)
def test_segments_hold_every_word_once_in_order(spoken: list[tuple[str, float, float]]) -> None:
    words, now = [], 0.0
    for text, silence, length in spoken:
        words.append(Word(text, now + silence, now + silence + length))
        now = words[-1].end_secs
    segments = in_segments(words, pause_secs=0.7)
    assert [word for segment in segments for word in segment.words] == words
    for segment in segments:
        assert segment.end_secs - segment.start_secs <= 20 or len(segment.words) == 1
        assert not any(word.text.endswith((".", "?")) for word in segment.words[:-1])
