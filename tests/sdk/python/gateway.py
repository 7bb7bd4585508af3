"""What the suites know besides an SDK: where the gateway is, what its models cost, and how to reach its two neighbours.

The prices and ratios are written out here on purpose, so that a charge is computed twice from separate tables.
Only the standard library is used; the SDKs stay in the test files.
"""

import json
import math
import os
import urllib.request
import uuid
from decimal import Decimal
from fractions import Fraction

URL = os.environ["LMHAVEN_URL"]
KEY = os.environ["LMHAVEN_KEY"]
ADMIN = os.environ["LMHAVEN_ADMIN_URL"]
ADMIN_TOKEN = os.environ["LMHAVEN_ADMIN_TOKEN"]
SIMULATOR = os.environ["LMHAVEN_SIMULATOR"]

CLAUDE = ["claude-opus-4-7", "claude-sonnet-4-6", "claude-haiku-4-5"]
GEMINI = ["gemini-3-1-pro", "gemini-3-flash"]
MODELS = [*CLAUDE, *GEMINI, "gpt-sim"]
# One model of every upstream protocol, for what depends on the protocol alone.
ONE_OF_EACH = ["claude-haiku-4-5", "gemini-3-flash", "gpt-sim"]

# Ratio, then US dollars per million tokens: input, output, cache read, five-minute cache write.
# A cache price that a model does not have is its input price.
PRICES = {
    "claude-opus-4-7": (28, "5.00", "25.00", "0.50", "6.25"),
    "claude-sonnet-4-6": (32, "3.00", "15.00", "0.30", "3.75"),
    "claude-haiku-4-5": (50, "1.00", "5.00", "0.10", "1.25"),
    "gemini-3-1-pro": (36, "2.00", "12.00", "0.20", "2.00"),
    "gemini-3-flash": (55, "0.50", "3.00", "0.05", "0.50"),
    "gpt-sim": (10, "1.00", "2.00", "1.00", "1.00"),
}

# A red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)

# Two to four bytes per character, combining marks, and the separators that careless line splitters break at.
UNICODE = "Grüße, 世界 🌍 — e\u0301, line\u2028separator, next\u0085line, tab\tand \"quotes\" \\ backslash."


def marker() -> str:
    """A text that no other test uses: rules and calls at the simulator are found by it."""
    return f"case-{uuid.uuid4().hex}"


def cost(model: str, *, fresh: int, output: int, cache_read: int = 0, cache_write: int = 0) -> Decimal:
    """What a request costs in US dollars: exact fractions, rounded up once, to a nano-dollar."""
    ratio, *prices = PRICES[model]
    tokens = (fresh, output, cache_read, cache_write)
    dollars = sum(Fraction(price) * count for price, count in zip(prices, tokens, strict=True)) / 1_000_000 / ratio
    return Decimal(math.ceil(dollars * 10**9)) / 10**9


def exchange(method: str, url: str, body: object = None, token: str | None = None) -> object:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        raw = response.read()
    return json.loads(raw) if raw.strip() else None


def script(case: str, /, times: int | None = None, **act: object) -> None:
    """Tells the simulator how to answer calls whose body contains the text."""
    exchange("POST", f"{SIMULATOR}/__script", {"marker": case, "times": times, "act": act})


def upstream_calls(text: str) -> list[dict]:
    """The calls that the simulator got with this text in their body, oldest first."""
    calls = exchange("GET", f"{SIMULATOR}/__calls")
    return [call for call in calls if text in json.dumps(call["body"], ensure_ascii=False)]


def upstream_body(text: str) -> str:
    """The body of the newest call with this text, as JSON."""
    return json.dumps(upstream_calls(text)[-1]["body"], ensure_ascii=False)


def workspace_key(*, verified: bool = True, credit: str | None = "5.00", limits: dict | None = None, **key: object) -> str:
    """A key of a new workspace."""
    name = marker()
    body = {"name": name, "owner_email": f"{name}@example.com", "email_verified": verified}
    created = exchange("POST", f"{ADMIN}/admin/v1/workspaces", body, ADMIN_TOKEN)
    workspace = f"{ADMIN}/admin/v1/workspaces/{created['id']}"
    if credit is not None:
        entry = {"amount_usd": credit, "reason": "SDK tests", "idempotency_key": name}
        exchange("POST", f"{workspace}/credits", entry, ADMIN_TOKEN)
    if limits is not None:
        exchange("PATCH", workspace, limits, ADMIN_TOKEN)
    return exchange("POST", f"{workspace}/keys", {"name": name, **key}, ADMIN_TOKEN)["secret"]


def assert_headers(headers, model: str) -> None:
    """The headers that stand on every reply to a key."""
    assert headers["x-request-id"].startswith("req_")
    assert headers["request-id"] == headers["x-request-id"]
    assert headers["lmhaven-model"] == model
    assert Decimal(headers["lmhaven-balance-usd"]) > 0
    for what in ("requests", "streams"):
        limit, remaining = (int(headers[f"x-ratelimit-{name}-{what}"]) for name in ("limit", "remaining"))
        assert 0 <= remaining <= limit
    assert headers["x-ratelimit-reset-requests"]
    assert '"requests";q=' in headers["ratelimit-policy"]
    assert '"requests";r=' in headers["ratelimit"]


# Every refusal that needs no upstream: its status, `error.type`, `error.code`, and how to get such a key.
REFUSALS = {
    "bad-key": (401, "authentication_error", "invalid_api_key", lambda: "sk-lmh-this-is-no-key"),
    "no-money": (402, "billing_error", "insufficient_balance", lambda: workspace_key(credit=None)),
    "spent-key": (402, "billing_error", "key_spend_limit", lambda: workspace_key(spend_limit_usd="0.000000001")),
    "unverified": (403, "permission_error", "email_not_verified", lambda: workspace_key(verified=False)),
    "no-text": (403, "permission_error", "feature_not_enabled", lambda: workspace_key(limits={"features": {"text": False}})),
}
