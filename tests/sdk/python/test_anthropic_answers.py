"""The Anthropic SDK: what a caller gets when all is well. Run unchanged under every version in `environments.py`."""

import asyncio
import json
from decimal import Decimal

import pytest
from anthropic import Anthropic, AsyncAnthropic
from gateway import (
    CITY,
    CITY_NAME,
    CLAUDE,
    GEMINI,
    KEY,
    MODELS,
    ONE_OF_EACH,
    PNG,
    UNICODE,
    URL,
    assert_headers,
    cost,
    marker,
    script,
    upstream_body,
    upstream_calls,
)
from pydantic import BaseModel

CLIENT = Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
# The address that the old public documentation named: the SDK then calls /v1/v1/messages.
DOUBLED = Anthropic(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)
TOOLS = [
    {"name": name, "description": f"{name} of a city", "input_schema": CITY} for name in ("get_weather", "get_time")
]
THINKING = {
    "claude-opus-4-7": {"type": "adaptive", "display": "summarized"},
    "claude-sonnet-4-6": {"type": "adaptive", "display": "summarized"},
    "claude-haiku-4-5": {"type": "enabled", "budget_tokens": 1024},
    "gemini-3-1-pro": {"type": "enabled", "budget_tokens": 1024},
    "gemini-3-flash": {"type": "enabled", "budget_tokens": 1024},
}


class Mayor(BaseModel):
    name: str
    since: int | None


class City(BaseModel):
    name: str
    population: int
    mayor: Mayor
    districts: list[str]


def user(content: object) -> list[dict]:
    return [{"role": "user", "content": content}]


def request(model: str, content: object, **more: object) -> dict:
    return {"model": model, "messages": user(content), "max_tokens": 2000, **more}


def text_of(message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def cost_of(model: str, usage) -> Decimal:
    return cost(
        model,
        fresh=usage.input_tokens,
        output=usage.output_tokens,
        cache_read=usage.cache_read_input_tokens or 0,
        cache_write=usage.cache_creation_input_tokens or 0,
    )


@pytest.mark.parametrize("client", [CLIENT, DOUBLED], ids=["host", "host-v1"])
@pytest.mark.parametrize("model", MODELS)
def test_plain(model, client):
    case = marker()
    script(case, answer={"text": UNICODE})
    raw = client.messages.with_raw_response.create(**request(model, f"{case} Say something."))
    message = raw.parse()
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert [block.type for block in message.content] == ["text"]
    assert text_of(message) == UNICODE
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.input_tokens > 0 and message.usage.output_tokens > 0
    assert_headers(raw.headers, model)
    assert message._request_id == raw.headers["request-id"]
    assert Decimal(raw.headers["lmhaven-cost-usd"]) == cost_of(model, message.usage)
    assert len(upstream_calls(case)) == 1


@pytest.mark.parametrize("client", [CLIENT, DOUBLED], ids=["host", "host-v1"])
@pytest.mark.parametrize("model", MODELS)
def test_streaming(model, client):
    case = marker()
    script(case, answer={"text": UNICODE}, wire={"split": 1})
    raw = client.messages.with_raw_response.create(**request(model, f"{case} Say something.", stream=True))
    assert_headers(raw.headers, model)
    events = [event for event in raw.parse() if event.type != "ping"]
    first, *middle, delta, stop = events
    assert (first.type, delta.type, stop.type) == ("message_start", "message_delta", "message_stop")
    assert (first.message.model, first.message.content, first.message.stop_reason) == (model, [], None)
    assert first.message.usage.input_tokens > 0
    opened, *deltas, closed = middle
    assert (opened.type, opened.index, opened.content_block.text) == ("content_block_start", 0, "")
    assert (closed.type, closed.index) == ("content_block_stop", 0)
    assert "".join(event.delta.text for event in deltas) == UNICODE
    assert delta.delta.stop_reason == "end_turn"
    usage = first.message.usage.model_copy(update=delta.usage.model_dump(exclude_none=True))
    assert usage.output_tokens > 0
    assert Decimal(delta.usage.cost_usd) == cost_of(model, usage)


@pytest.mark.parametrize("model", MODELS)
def test_stream_helper(model):
    case = marker()
    asked = request(model, f"{case} Say something.")
    plain = CLIENT.messages.create(**asked)
    with CLIENT.messages.stream(**asked) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 1
    assert "".join(pieces) == text_of(final) == text_of(plain), "a streamed answer is the plain one"
    assert final.stop_reason == "end_turn"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (
        plain.usage.input_tokens,
        plain.usage.output_tokens,
    )


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_async_stream_helper(model):
    async def collect():
        async with AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30) as client:
            async with client.messages.stream(**request(model, marker())) as stream:
                return await stream.get_final_message()

    message = asyncio.run(collect())
    assert text_of(message) and message.stop_reason == "end_turn"


@pytest.mark.parametrize("model", MODELS)
def test_the_output_limit_is_said_honestly(model):
    message = CLIENT.messages.create(**request(model, marker()) | {"max_tokens": 3})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)


def signatures_of(message) -> list[str]:
    return [block.signature for block in message.content if block.type == "thinking" and block.signature]


def uses_of(message) -> list:
    return [block for block in message.content if block.type == "tool_use"]


def check_uses(message, count: int) -> None:
    uses = uses_of(message)
    assert message.stop_reason == "tool_use"
    assert [use.name for use in uses] == ["get_weather", "get_time"][:count]
    assert all(use.input == {"city": CITY_NAME} for use in uses)
    assert len({use.id for use in uses}) == count and all(use.id for use in uses)


def finish_round_trip(model: str, text: str, case: str, content, uses, **more: object) -> None:
    """Sends the results back and checks that they reached the model, with the signature that Gemini insists on."""
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": f"{case} result {n}"} for n, use in enumerate(uses)
    ]
    messages = [*user(text), {"role": "assistant", "content": content}, {"role": "user", "content": results}]
    answer = CLIENT.messages.create(model=model, messages=messages, tools=TOOLS, max_tokens=2000, **more)
    assert answer.stop_reason == "end_turn"
    assert f"{case} result {len(uses) - 1}" in text_of(answer)
    sent = upstream_body(case)
    assert all(f"{case} result {n}" in sent for n in range(len(uses)))
    if model in GEMINI:
        assert "thoughtSignature" in sent and "skip_thought_signature_validator" not in sent


@pytest.mark.parametrize("way", ["plain", "streamed"])
@pytest.mark.parametrize("echo", ["echoed", "rebuilt"])
@pytest.mark.parametrize("count", [1, 2], ids=["single", "parallel"])
@pytest.mark.parametrize("model", MODELS)
def test_tools(model, count, echo, way):
    case = marker()
    text = f"{case} What is the weather in Paris? {'parallel' if count == 2 else ''}"
    asked = request(model, text, tools=TOOLS)
    if way == "plain":
        message = CLIENT.messages.create(**asked)
    else:
        with CLIENT.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    check_uses(message, count)
    uses = uses_of(message)
    rebuilt = [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.input} for use in uses]
    finish_round_trip(model, text, case, message.content if echo == "echoed" else rebuilt, uses)


@pytest.mark.parametrize("model", MODELS)
def test_streamed_tool_blocks_are_dense_and_complete(model):
    asked = request(model, f"{marker()} What is the weather in Paris? parallel", tools=TOOLS, stream=True)
    events = list(CLIENT.messages.create(**asked))
    opened = [event for event in events if event.type == "content_block_start"]
    assert [event.index for event in opened] == list(range(len(opened)))
    tools = [event for event in opened if event.content_block.type == "tool_use"]
    assert [event.content_block.name for event in tools] == ["get_weather", "get_time"]
    for event in tools:
        assert event.content_block.input == {}
        deltas = [part.delta for part in events if part.type == "content_block_delta" and part.index == event.index]
        assert json.loads("".join(delta.partial_json for delta in deltas)) == {"city": CITY_NAME}


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_can_be_forced_and_forbidden(model):
    forced = request(model, marker(), tools=TOOLS, tool_choice={"type": "tool", "name": "get_time"})
    assert [use.name for use in uses_of(CLIENT.messages.create(**forced))] == ["get_time"]
    forbidden = request(model, f"{marker()} weather", tools=TOOLS, tool_choice={"type": "none"})
    message = CLIENT.messages.create(**forbidden)
    assert uses_of(message) == [] and text_of(message)


@pytest.mark.parametrize("model", MODELS)
def test_parse(model):
    message = CLIENT.messages.parse(**request(model, f"{marker()} A city?", output_format=City))
    assert isinstance(message.parsed_output, City)
    assert message.parsed_output == City.model_validate_json(text_of(message))


@pytest.mark.parametrize("model", MODELS)
def test_output_format(model):
    config = {"format": {"type": "json_schema", "schema": CITY}}
    message = CLIENT.messages.create(**request(model, f"{marker()} A city?", output_config=config))
    assert json.loads(text_of(message)) == {"city": CITY_NAME}


@pytest.mark.parametrize("way", ["plain", "streamed"])
@pytest.mark.parametrize("model", [*CLAUDE, *GEMINI])
def test_thinking_and_its_signature_make_the_round_trip(model, way):
    case = marker()
    text = f"{case} What is the weather in Paris?"
    more = {"thinking": THINKING[model]}
    asked = request(model, text, tools=TOOLS, **more)
    if way == "plain":
        message = CLIENT.messages.create(**asked)
    else:
        with CLIENT.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    thought = message.content[0]
    assert thought.type == "thinking" and thought.thinking
    assert signatures_of(message)
    check_uses(message, 1)
    finish_round_trip(model, text, case, message.content, uses_of(message), **more)
    if model in CLAUDE:
        turns = upstream_calls(case)[-1]["body"]["messages"]
        [replayed] = [
            block
            for turn in turns
            if turn["role"] == "assistant"
            for block in turn["content"]
            if block["type"] == "thinking"
        ]
        assert replayed["thinking"] == thought.thinking and replayed["signature"]


@pytest.mark.parametrize("way", ["plain", "streamed"])
@pytest.mark.parametrize("said", ["", "Let me look."], ids=["silent", "speaking"])
@pytest.mark.parametrize("model", [*CLAUDE, *GEMINI])
def test_every_thinking_block_is_signed(model, said, way):
    case = marker()
    script(case, answer={"text": said, "tool_calls": [{"name": "get_weather", "arguments": {"city": CITY_NAME}}]})
    asked = request(model, case, tools=TOOLS, thinking=THINKING[model])
    if way == "plain":
        message = CLIENT.messages.create(**asked)
    else:
        with CLIENT.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    # Clients leave out a block without a signature, and Anthropic itself never sends one.
    assert all(block.signature for block in message.content if block.type == "thinking")


@pytest.mark.parametrize("model", CLAUDE)
def test_thinking_of_another_model_is_left_behind(model):
    case = marker()
    with_thoughts = request("gemini-3-flash", f"{case} Think.", thinking=THINKING["gemini-3-flash"])
    message = CLIENT.messages.create(**with_thoughts)
    signatures = signatures_of(message)
    assert message.content[0].type == "thinking" and signatures
    messages = [*user(f"{case} Think."), {"role": "assistant", "content": message.content}, *user("Go on.")]
    answer = CLIENT.messages.create(model=model, messages=messages, max_tokens=2000, thinking=THINKING[model])
    assert answer.stop_reason == "end_turn"
    sent = upstream_body(case)
    assert "Go on." in sent and not any(signature in sent for signature in signatures)


@pytest.mark.parametrize("model", MODELS)
def test_images(model):
    case = marker()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    message = CLIENT.messages.create(**request(model, [{"type": "text", "text": f"{case} What is this?"}, image]))
    assert text_of(message)
    assert PNG in upstream_body(case)


@pytest.mark.parametrize("model", MODELS)
def test_system_and_earlier_turns_reach_the_model(model):
    case = marker()
    messages = [
        *user("First question."),
        {"role": "assistant", "content": "First answer."},
        *user(f"{case} Second question."),
    ]
    answer = CLIENT.messages.create(model=model, system="Be brief.", messages=messages, max_tokens=2000)
    assert answer.stop_reason == "end_turn"
    sent = upstream_body(case)
    assert all(text in sent for text in ("Be brief.", "First question.", "First answer.", "Second question."))


@pytest.mark.parametrize("client", [CLIENT, DOUBLED], ids=["host", "host-v1"])
@pytest.mark.parametrize("model", MODELS)
def test_count_tokens(model, client):
    def count(text: str) -> int:
        return client.messages.count_tokens(model=model, messages=user(text), tools=TOOLS).input_tokens

    case = marker()
    assert 0 < count(case) < count(case + " and a good many words more" * 20)


@pytest.mark.parametrize("client", [CLIENT, DOUBLED], ids=["host", "host-v1"])
def test_models(client):
    page = client.models.list(limit=1000)
    assert page.has_more is False
    listed = {model.id: model for model in page}
    assert set(MODELS) <= set(listed)
    for name in MODELS:
        model = client.models.retrieve(name)
        assert (model.id, model.type) == (name, "model")
        assert model.display_name and model.created_at.year >= 1970
        assert listed[name].display_name == model.display_name
