"""The OpenAI SDK: what a caller gets when all is well. Run unchanged under every version in `environments.py`."""

import asyncio
import json
from decimal import Decimal
from enum import Enum

import pytest
from gateway import (
    CLAUDE, GEMINI, KEY, MODELS, ONE_OF_EACH, PNG, UNICODE, URL, assert_headers, cost, marker, script, upstream_body,
    upstream_calls,
)
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

CLIENT = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"{name} of a city", "parameters": CITY}}
    for name in ("get_weather", "get_time")
]


class Kind(str, Enum):
    capital = "capital"
    town = "town"


class Mayor(BaseModel):
    name: str
    since: int | None


class City(BaseModel):
    name: str
    kind: Kind
    population: int
    mayor: Mayor
    districts: list[str]


def user(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def request(model: str, text: str, **more: object) -> dict:
    return {"model": model, "messages": user(text), "max_completion_tokens": 2000, **more}


def cost_of(model: str, usage) -> Decimal:
    details = usage.prompt_tokens_details
    read = (details.cached_tokens or 0) if details else 0
    written = (getattr(details, "cache_write_tokens", 0) or 0) if details else 0
    fresh = usage.prompt_tokens - read - written
    return cost(model, fresh=fresh, output=usage.completion_tokens, cache_read=read, cache_write=written)


@pytest.mark.parametrize("model", MODELS)
def test_plain(model):
    case = marker()
    script(case, text=UNICODE)
    raw = CLIENT.chat.completions.with_raw_response.create(**request(model, f"{case} Say something."))
    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.model == model
    [choice] = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", UNICODE)
    assert choice.message.tool_calls is None
    assert choice.finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert_headers(raw.headers, model)
    assert answer._request_id == raw.headers["x-request-id"]
    assert Decimal(raw.headers["lmhaven-cost-usd"]) == cost_of(model, answer.usage)
    assert len(upstream_calls(case)) == 1


@pytest.mark.parametrize("model", MODELS)
def test_streaming(model):
    case = marker()
    script(case, text=UNICODE, split=True)
    asked = request(model, f"{case} Say something.", stream=True, stream_options={"include_usage": True})
    raw = CLIENT.chat.completions.with_raw_response.create(**asked)
    assert_headers(raw.headers, model)
    chunks = list(raw.parse())
    assert {chunk.model for chunk in chunks} == {model}
    assert len({chunk.id for chunk in chunks}) == 1
    *body, last = chunks
    assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in body)
    assert body[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in body) == UNICODE
    assert [chunk.choices[0].finish_reason for chunk in body if chunk.choices[0].finish_reason] == ["stop"]
    assert last.choices == []
    assert last.usage.prompt_tokens > 0 and last.usage.completion_tokens > 0
    assert Decimal(last.usage.cost_usd) == cost_of(model, last.usage)


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_streaming_without_usage_has_a_choice_in_every_chunk(model):
    chunks = list(CLIENT.chat.completions.create(**request(model, marker(), stream=True)))
    assert all(len(chunk.choices) == 1 and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", MODELS)
def test_stream_helper(model):
    case = marker()
    asked = request(model, f"{case} Say something.", stream_options={"include_usage": True})
    plain = CLIENT.chat.completions.create(**request(model, f"{case} Say something."))
    with CLIENT.chat.completions.stream(**asked) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert (message.role, message.content) == ("assistant", "".join(deltas))
    assert len(deltas) > 1
    assert message.content == plain.choices[0].message.content, "a streamed answer is the plain one"
    assert final.usage.total_tokens == plain.usage.total_tokens


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_async_streaming(model):
    async def collect() -> tuple[str, str]:
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
            stream = await client.chat.completions.create(**request(model, marker(), stream=True))
            choices = [chunk.choices[0] async for chunk in stream]
        return "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason

    text, finish = asyncio.run(collect())
    assert text and finish == "stop"


@pytest.mark.parametrize("model", MODELS)
def test_the_output_limit_is_said_honestly(model):
    answer = CLIENT.chat.completions.create(**request(model, marker()) | {"max_completion_tokens": 3})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def check_calls(calls, count: int) -> None:
    assert len(calls) == count
    assert len({call.id for call in calls}) == count, "ids are unique"
    assert all(call.type == "function" and call.id for call in calls)
    assert all(json.loads(call.function.arguments) == {"city": "Paris"} for call in calls)
    assert [call.function.name for call in calls] == ["get_weather", "get_time"][:count]


def rebuilt(calls) -> dict:
    """An assistant message as a client writes it that keeps only the documented fields."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
            for call in calls
        ],
    }


def finish_round_trip(model: str, text: str, case: str, assistant, calls) -> None:
    """Sends the results back and checks that they reached the model, with the signature that Gemini insists on."""
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{case} result {n}"} for n, call in enumerate(calls)]
    messages = [*user(text), assistant, *results]
    answer = CLIENT.chat.completions.create(model=model, messages=messages, tools=TOOLS, max_completion_tokens=2000)
    assert answer.choices[0].finish_reason == "stop"
    assert f"{case} result 0" in answer.choices[0].message.content
    sent = upstream_body(case)
    assert all(f"{case} result {n}" in sent for n in range(len(calls)))
    if model in GEMINI:
        assert "thoughtSignature" in sent and "skip_thought_signature_validator" not in sent


@pytest.mark.parametrize("echo", ["echoed", "rebuilt"])
@pytest.mark.parametrize("count", [1, 2], ids=["single", "parallel"])
@pytest.mark.parametrize("model", MODELS)
def test_tools(model, count, echo):
    case = marker()
    text = f"{case} What is the weather in Paris? {'parallel' if count == 2 else ''}"
    answer = CLIENT.chat.completions.create(**request(model, text, tools=TOOLS))
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    check_calls(choice.message.tool_calls, count)
    assistant = choice.message if echo == "echoed" else rebuilt(choice.message.tool_calls)
    finish_round_trip(model, text, case, assistant, choice.message.tool_calls)


@pytest.mark.parametrize("echo", ["echoed", "rebuilt"])
@pytest.mark.parametrize("count", [1, 2], ids=["single", "parallel"])
@pytest.mark.parametrize("model", MODELS)
def test_streamed_tools(model, count, echo):
    case = marker()
    text = f"{case} What is the weather in Paris? {'parallel' if count == 2 else ''}"
    with CLIENT.chat.completions.stream(**request(model, text, tools=TOOLS)) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        [choice] = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert [event.index for event in done] == list(range(count))
    check_calls(choice.message.tool_calls, count)
    assistant = choice.message if echo == "echoed" else rebuilt(choice.message.tool_calls)
    finish_round_trip(model, text, case, assistant, choice.message.tool_calls)


@pytest.mark.parametrize("model", MODELS)
def test_streamed_tool_chunks_have_dense_indices_and_say_each_name_once(model):
    text = f"{marker()} What is the weather in Paris? parallel"
    chunks = CLIENT.chat.completions.create(**request(model, text, tools=TOOLS, stream=True))
    parts = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
    for index, name in enumerate(["get_weather", "get_time"]):
        first, *rest = [part for part in parts if part.index == index]
        assert first.id and first.type == "function" and first.function.name == name
        assert all(part.id is None and part.function.name is None for part in rest)
        assert json.loads("".join(part.function.arguments or "" for part in (first, *rest))) == {"city": "Paris"}
    assert {part.index for part in parts} == {0, 1}


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_can_be_forced_and_forbidden(model):
    forced = {"type": "function", "function": {"name": "get_time"}}
    answer = CLIENT.chat.completions.create(**request(model, marker(), tools=TOOLS, tool_choice=forced))
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["get_time"]
    asked = request(model, f"{marker()} weather", tools=TOOLS, tool_choice="none")
    answer = CLIENT.chat.completions.create(**asked)
    assert answer.choices[0].message.tool_calls is None and answer.choices[0].message.content


@pytest.mark.parametrize("model", MODELS)
def test_parse(model):
    answer = CLIENT.chat.completions.parse(**request(model, f"{marker()} A city?", response_format=City))
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, City)
    assert (parsed.name, parsed.kind) == ("Paris", Kind.capital)


@pytest.mark.parametrize("model", MODELS)
def test_streamed_parse(model):
    with CLIENT.chat.completions.stream(**request(model, f"{marker()} A city?", response_format=City)) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, City) and parsed.name == "Paris"


@pytest.mark.parametrize("model", MODELS)
def test_json_schema(model):
    form = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": CITY}}
    answer = CLIENT.chat.completions.create(**request(model, f"{marker()} A city?", response_format=form))
    assert json.loads(answer.choices[0].message.content) == {"city": "Paris"}


@pytest.mark.parametrize("model", [*CLAUDE, *GEMINI])
def test_reasoning_is_shown_beside_the_answer(model):
    asked = request(model, f"{marker()} Think.", reasoning_effort="low")
    message = CLIENT.chat.completions.create(**asked).choices[0].message
    assert message.content and message.reasoning_content
    chunks = list(CLIENT.chat.completions.create(**asked, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == message.reasoning_content
    assert "".join(delta.content or "" for delta in deltas) == message.content


@pytest.mark.parametrize("model", MODELS)
def test_images_as_data_urls(model):
    case = marker()
    parts = [
        {"type": "text", "text": f"{case} What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    messages = [{"role": "user", "content": parts}]
    answer = CLIENT.chat.completions.create(model=model, messages=messages, max_completion_tokens=2000)
    assert answer.choices[0].message.content
    assert PNG in upstream_body(case)


@pytest.mark.parametrize("model", MODELS)
def test_system_and_earlier_turns_reach_the_model(model):
    case = marker()
    messages = [
        {"role": "developer", "content": f"{case} Be brief."},
        {"role": "user", "content": "First question."},
        {"role": "assistant", "content": "First answer."},
        {"role": "user", "content": "Second question."},
    ]
    answer = CLIENT.chat.completions.create(model=model, messages=messages, max_completion_tokens=2000)
    assert answer.choices[0].finish_reason == "stop"
    sent = upstream_body(case)
    assert all(text in sent for text in ("Be brief.", "First question.", "First answer.", "Second question."))


def test_models():
    listed = {model.id: model for model in CLIENT.models.list()}
    assert set(MODELS) <= set(listed)
    for name in MODELS:
        model = CLIENT.models.retrieve(name)
        assert (model.id, model.object) == (name, "model")
        assert model.created > 0 and model.owned_by
        assert listed[name].id == name
