"""Stripe's own library judges the same table of signatures as ours (`src/payments/signature.rs`), and as the table says."""

import json
import pathlib
from unittest import mock

import pytest
import stripe

TABLE = pathlib.Path(__file__).resolve().parents[3] / "src" / "payments" / "signatures.json"
ROWS = json.loads(TABLE.read_text())
TOLERANCE_SECONDS = 300


def believes(row: dict, secret: str) -> bool:
    with mock.patch("time.time", lambda: row["now"]):
        try:
            stripe.WebhookSignature.verify_header(row["body"], row["header"], secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError:
            return False
    return True


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_library_agrees(row):
    assert any(believes(row, secret) for secret in row["secrets"]) == row["good"]
