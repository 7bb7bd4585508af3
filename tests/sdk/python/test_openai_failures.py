"""The OpenAI SDK: refusals, retries and broken streams arrive as what the SDK's callers catch."""

import openai
import pytest
from gateway import KEY, ONE_OF_EACH, REFUSALS, URL, marker, script, upstream_calls, workspace_key
from openai import OpenAI

CLIENT = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)
PATIENT = CLIENT.with_options(max_retries=2)
CLASSES = {401: openai.AuthenticationError, 402: openai.APIStatusError, 403: openai.PermissionDeniedError}


def ask(model: str, text: str, **more: object) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_completion_tokens": 2000, **more}


def check(error: openai.APIStatusError, status: int, kind: str, code: str) -> None:
    assert (error.status_code, error.type, error.code) == (status, kind, code)
    assert error.request_id.startswith("req_")
    assert error.message


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_refused_keys(refusal, streamed):
    status, kind, code, key_of = refusal
    case = marker()
    # With retries on: a refusal that the SDK thinks worth repeating would show as more than one request.
    client = OpenAI(base_url=f"{URL}/v1", api_key=key_of(), timeout=30)
    with pytest.raises(CLASSES[status]) as caught:
        client.chat.completions.create(**ask("claude-haiku-4-5", case, stream=streamed))
    check(caught.value, status, kind, code)
    assert upstream_calls(case) == [], "a refused request never leaves the gateway"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_unknown_model(streamed):
    with pytest.raises(openai.NotFoundError) as caught:
        CLIENT.chat.completions.create(**ask("no-such-model", marker(), stream=streamed))
    check(caught.value, 404, "not_found_error", "model_not_found")
    with pytest.raises(openai.NotFoundError) as caught:
        CLIENT.models.retrieve("no-such-model")
    check(caught.value, 404, "not_found_error", "model_not_found")


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gemini-3-flash"])
def test_a_parameter_that_the_model_lacks(model):
    with pytest.raises(openai.BadRequestError) as caught:
        CLIENT.chat.completions.create(**ask(model, marker(), n=2))
    check(caught.value, 400, "invalid_request_error", "unsupported_parameter")
    assert caught.value.param == "n"


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_malformed_request(model):
    with pytest.raises(openai.BadRequestError) as caught:
        CLIENT.chat.completions.create(model=model, messages="not a list")
    check(caught.value, 400, "invalid_request_error", "invalid_request")
    assert caught.value.param == "messages"


def test_a_forgotten_v1_is_explained():
    with pytest.raises(openai.NotFoundError) as caught:
        CLIENT.with_options(base_url=URL).chat.completions.create(**ask("claude-haiku-4-5", marker()))
    check(caught.value, 404, "not_found_error", "not_found")
    assert "/v1" in caught.value.message


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_rate_limit(streamed):
    key = workspace_key(limits={"requests_per_minute": 1})
    client = CLIENT.with_options(api_key=key)
    assert client.chat.completions.create(**ask("gpt-sim", marker())).choices
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**ask("gpt-sim", marker(), stream=streamed))
    check(caught.value, 429, "rate_limit_error", "rate_limit_exceeded")
    headers = caught.value.response.headers
    seconds, milliseconds = int(headers["retry-after"]), int(headers["retry-after-ms"])
    assert 1 <= seconds <= 60 and seconds - 1 < milliseconds / 1000 <= seconds
    assert headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("status", [500, 502, 503, 529])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_one_upstream_failure_is_not_seen(model, streamed, status):
    case = marker()
    script(case, times=1, status=status)
    answer = CLIENT.chat.completions.create(**ask(model, case, stream=streamed))
    finish = list(answer)[-1].choices[0].finish_reason if streamed else answer.choices[0].finish_reason
    assert finish == "stop"
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("status,seen", [(500, 500), (529, 503)])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_failed_retry_is_not_repeated_by_the_sdk(model, streamed, status, seen):
    case = marker()
    script(case, status=status)
    with pytest.raises(openai.InternalServerError) as caught:
        PATIENT.chat.completions.create(**ask(model, case, stream=streamed))
    assert caught.value.status_code == seen
    assert caught.value.request_id.startswith("req_")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("status", [503, 529])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_the_sdk_waits_and_retries_where_the_upstream_says_when(model, status):
    case = marker()
    script(case, times=2, status=status, retry_after="1")
    raw = PATIENT.chat.completions.with_raw_response.create(**ask(model, case))
    assert raw.parse().choices[0].finish_reason == "stop"
    assert raw.retries_taken == 1
    assert len(upstream_calls(case)) == 3


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_the_sdk_waits_out_an_upstream_rate_limit(model, streamed):
    case = marker()
    script(case, times=1, status=429, retry_after="1")
    raw = PATIENT.chat.completions.with_raw_response.create(**ask(model, case, stream=streamed))
    answer = raw.parse()
    assert (list(answer)[-1] if streamed else answer).choices[0].finish_reason == "stop"
    assert raw.retries_taken == 1
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("cut", ["after_events", "reset_after_events"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_stream_raises(model, cut):
    case = marker()
    script(case, cut={cut: 5}, events=12)
    text = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in PATIENT.chat.completions.create(**ask(model, case, stream=True)):
            text += chunk.choices[0].delta.content or ""
    assert text, "what came before the cut is delivered"
    assert caught.value.code == "upstream_error" and caught.value.message
    assert len(upstream_calls(case)) == 1, "nothing is asked twice after the first byte"


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_stream_raises_in_the_helper(model):
    case = marker()
    script(case, cut={"after_events": 5}, events=12)
    with pytest.raises(openai.APIError), PATIENT.chat.completions.stream(**ask(model, case)) as stream:
        stream.get_final_completion()


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_an_error_event_in_a_stream_raises(model):
    case = marker()
    script(case, error_event=5, events=12)
    with pytest.raises(openai.APIError) as caught:
        list(PATIENT.chat.completions.create(**ask(model, case, stream=True)))
    assert caught.value.code and caught.value.message


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_answer_is_a_bad_gateway(model):
    case = marker()
    script(case, cut={"reset_after_events": 1})
    with pytest.raises(openai.InternalServerError) as caught:
        CLIENT.chat.completions.create(**ask(model, case))
    check(caught.value, 502, caught.value.type, "upstream_error")
    assert len(upstream_calls(case)) == 1
