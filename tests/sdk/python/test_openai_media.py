"""The OpenAI SDK: images and speech of every media model. Run unchanged under every version in `environments.py`."""

import base64
import urllib.request

import pytest
from gateway import KEY, URL, assert_headers, marker, script
from openai import BadRequestError, InternalServerError, OpenAI

CLIENT = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=60)

# Every documented class of sizes; what is not made exactly is made as near as the model can.
SIZES = {
    "seedream-5": ["auto", "1024x1024", "2048x2048", "1536x1024", "1024x1536", "1792x1024", "512x512"],
    "novelai-v4": ["auto", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "256x256"],
    "pixai-v4": ["auto", "1024x1024", "1536x1024", "1024x1536", "1792x1024"],
    "nano-banana-pro": ["auto", "1024x1024", "1536x1024", "1024x1536", "2048x2048", "4096x4096"],
}
FORMATS = {"mp3": ("audio/mpeg", b"ID3"), "opus": ("audio/ogg", b"OggS"), "wav": ("audio/wav", b"RIFF"), "pcm": ("audio/pcm", b"")}


def is_image(data: bytes) -> bool:
    return data.startswith((b"\x89PNG", b"\xff\xd8\xff"))


@pytest.mark.parametrize(("model", "size"), [(model, size) for model, sizes in SIZES.items() for size in sizes])
def test_sizes(model, size):
    answer = CLIENT.images.generate(model=model, prompt=f"{marker()} a lighthouse", size=size, response_format="b64_json")
    [image] = answer.data
    assert image.url is None
    assert is_image(base64.b64decode(image.b64_json))
    assert answer.created > 0


@pytest.mark.parametrize(("model", "size"), [(model, size) for model, sizes in SIZES.items() for size in sizes])
def test_links(model, size):
    raw = CLIENT.images.with_raw_response.generate(
        model=model, prompt=f"{marker()} a harbour", size=size, response_format="url"
    )
    assert_headers(raw.headers, model)
    [image] = raw.parse().data
    assert image.b64_json is None
    with urllib.request.urlopen(image.url, timeout=10) as response:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert is_image(response.read())


def test_several_images():
    answer = CLIENT.images.generate(model="nano-banana-pro", prompt=f"{marker()} boats", n=3, response_format="b64_json")
    assert len(answer.data) == 3


def test_a_refused_picture():
    case = marker()
    script(case, gemini_image={"block_reason": "SAFETY"})
    with pytest.raises(BadRequestError) as refused:
        CLIENT.images.generate(model="nano-banana-pro", prompt=f"{case} something forbidden")
    assert refused.value.code == "content_policy_violation"


@pytest.mark.parametrize("audio_format", FORMATS)
def test_speech(audio_format):
    content_type, magic = FORMATS[audio_format]
    raw = CLIENT.audio.speech.with_raw_response.create(
        model="elevenlabs-v3", voice="alloy", input="One sentence for you.", response_format=audio_format
    )
    assert raw.headers["content-type"] == content_type
    assert raw.headers["lmhaven-model"] == "elevenlabs-v3"
    data = raw.content
    assert data.startswith(magic)
    assert len(data) > 1000


@pytest.mark.parametrize("audio_format", FORMATS)
def test_streamed_speech(audio_format):
    case = marker()
    script(case, elevenlabs={"chunk_bytes": 2000}, gap_ms=5)
    with CLIENT.audio.speech.with_streaming_response.create(
        model="elevenlabs-v3", voice="coral", input=f"{case} is read aloud, piece by piece.", response_format=audio_format
    ) as response:
        pieces = list(response.iter_bytes(1024))
    assert len(pieces) > 1
    assert b"".join(pieces).startswith(FORMATS[audio_format][1])


def test_an_unknown_voice():
    with pytest.raises(BadRequestError) as refused:
        CLIENT.audio.speech.create(model="elevenlabs-v3", voice="nobody", input="Hello")
    assert refused.value.param == "voice"


def test_a_provider_without_credit():
    case = marker()
    script(case, status={"code": 401, "error_code": "quota_exceeded"})
    with pytest.raises(InternalServerError) as failed:
        CLIENT.audio.speech.create(model="elevenlabs-v3", voice="alloy", input=f"{case} Hello")
    assert failed.value.code == "upstream_unavailable"
