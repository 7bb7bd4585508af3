"""The Anthropic SDK: refusals, retries and broken streams arrive as what the SDK's callers catch."""

import anthropic
import pytest
from anthropic import Anthropic
from gateway import KEY, ONE_OF_EACH, REFUSALS, URL, marker, script, upstream_calls, workspace_key

CLIENT = Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
PATIENT = CLIENT.with_options(max_retries=2)
CLASSES = {
    401: anthropic.AuthenticationError,
    # A class of its own only since 2.0.
    402: getattr(anthropic, "PaymentRequiredError", anthropic.APIStatusError),
    403: anthropic.PermissionDeniedError,
}
# Older versions have a separate class for 503, which is no InternalServerError.
SERVER_ERRORS = tuple(
    getattr(anthropic, name) for name in ("InternalServerError", "ServiceUnavailableError", "OverloadedError")
    if hasattr(anthropic, name)
)


def ask(model: str, text: str, **more: object) -> dict:
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 2000, **more}


def check(error: anthropic.APIStatusError, status: int, kind: str, code: str) -> None:
    assert (error.status_code, error.type) == (status, kind)
    assert error.body["type"] == "error"
    assert error.body["error"]["code"] == code
    assert error.body["request_id"] == error.request_id
    assert error.request_id.startswith("req_")
    assert error.message


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_refused_keys(refusal, streamed):
    status, kind, code, key_of = refusal
    case = marker()
    # With retries on: a refusal that the SDK thinks worth repeating would show as more than one request.
    client = Anthropic(base_url=URL, api_key=key_of(), timeout=30)
    with pytest.raises(CLASSES[status]) as caught:
        client.messages.create(**ask("claude-haiku-4-5", case, stream=streamed))
    check(caught.value, status, kind, code)
    assert upstream_calls(case) == [], "a refused request never leaves the gateway"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_unknown_model(streamed):
    with pytest.raises(anthropic.NotFoundError) as caught:
        CLIENT.messages.create(**ask("no-such-model", marker(), stream=streamed))
    check(caught.value, 404, "not_found_error", "model_not_found")
    with pytest.raises(anthropic.NotFoundError) as caught:
        CLIENT.models.retrieve("no-such-model")
    check(caught.value, 404, "not_found_error", "model_not_found")
    with pytest.raises(anthropic.NotFoundError) as caught:
        CLIENT.messages.count_tokens(model="no-such-model", messages=[{"role": "user", "content": "Hello."}])
    check(caught.value, 404, "not_found_error", "model_not_found")


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_parameter_that_changes_the_price(model):
    with pytest.raises(anthropic.BadRequestError) as caught:
        CLIENT.messages.create(**ask(model, marker(), extra_body={"speed": "fast"}))
    check(caught.value, 400, "invalid_request_error", "unsupported_parameter")
    assert caught.value.body["error"]["param"] == "speed"


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_malformed_request(model):
    with pytest.raises(anthropic.BadRequestError) as caught:
        CLIENT.messages.create(model=model, max_tokens=10, messages=[], extra_body={"messages": "not a list"})
    check(caught.value, 400, "invalid_request_error", "invalid_request")
    assert caught.value.body["error"]["param"] == "messages"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_rate_limit(streamed):
    client = CLIENT.with_options(api_key=workspace_key(limits={"requests_per_minute": 1}))
    assert client.messages.create(**ask("claude-haiku-4-5", marker())).content
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**ask("claude-haiku-4-5", marker(), stream=streamed))
    check(caught.value, 429, "rate_limit_error", "rate_limit_exceeded")
    headers = caught.value.response.headers
    seconds, milliseconds = int(headers["retry-after"]), int(headers["retry-after-ms"])
    assert 1 <= seconds <= 60 and seconds - 1 < milliseconds / 1000 <= seconds


@pytest.mark.parametrize("status", [500, 502, 503, 529])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_one_upstream_failure_is_not_seen(model, streamed, status):
    case = marker()
    script(case, times=1, status=status)
    answer = CLIENT.messages.create(**ask(model, case, stream=streamed))
    assert (list(answer)[-1].type == "message_stop") if streamed else answer.stop_reason == "end_turn"
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("status", [500, 529])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_failed_retry_is_not_repeated_by_the_sdk(model, streamed, status):
    case = marker()
    script(case, status=status)
    with pytest.raises(SERVER_ERRORS) as caught:
        PATIENT.messages.create(**ask(model, case, stream=streamed))
    assert caught.value.status_code == status
    assert caught.value.type == {500: "api_error", 529: "overloaded_error"}[status]
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("status", [503, 529])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_the_sdk_waits_and_retries_where_the_upstream_says_when(model, status):
    case = marker()
    script(case, times=2, status=status, retry_after="1")
    raw = PATIENT.messages.with_raw_response.create(**ask(model, case))
    assert raw.parse().stop_reason == "end_turn"
    assert raw.retries_taken == 1
    assert len(upstream_calls(case)) == 3


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_the_sdk_waits_out_an_upstream_rate_limit(model, streamed):
    case = marker()
    script(case, times=1, status=429, retry_after="1")
    raw = PATIENT.messages.with_raw_response.create(**ask(model, case, stream=streamed))
    answer = raw.parse()
    assert (list(answer)[-1].type == "message_stop") if streamed else answer.stop_reason == "end_turn"
    assert raw.retries_taken == 1
    assert len(upstream_calls(case)) == 2


@pytest.mark.parametrize("cut", ["after_events", "reset_after_events"])
@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_stream_raises(model, cut):
    case = marker()
    script(case, cut={cut: 5}, events=12)
    text = ""
    with pytest.raises(anthropic.APIStatusError) as caught:
        for event in PATIENT.messages.create(**ask(model, case, stream=True)):
            text += event.delta.text if event.type == "content_block_delta" else ""
    assert text, "what came before the cut is delivered"
    assert caught.value.type == "api_error"
    assert len(upstream_calls(case)) == 1, "nothing is asked twice after the first byte"


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_stream_raises_in_the_helper(model):
    case = marker()
    script(case, cut={"after_events": 5}, events=12)
    with pytest.raises(anthropic.APIStatusError), PATIENT.messages.stream(**ask(model, case)) as stream:
        stream.get_final_message()


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_an_error_event_in_a_stream_raises(model):
    case = marker()
    script(case, error_event=5, events=12)
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(PATIENT.messages.create(**ask(model, case, stream=True)))
    assert caught.value.type in ("api_error", "overloaded_error")


@pytest.mark.parametrize("model", ONE_OF_EACH)
def test_a_cut_answer_is_a_bad_gateway(model):
    case = marker()
    script(case, cut={"reset_after_events": 1})
    with pytest.raises(SERVER_ERRORS) as caught:
        CLIENT.messages.create(**ask(model, case))
    check(caught.value, 502, "api_error", "upstream_error")
    assert len(upstream_calls(case)) == 1
