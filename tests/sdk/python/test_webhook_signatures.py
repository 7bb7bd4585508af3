"""The `standardwebhooks` library believes the messages that we sign (`src/webhooks/message.rs`), and none that was changed."""

import datetime
import json
import pathlib
from unittest import mock

import pytest
from standardwebhooks import webhooks

TABLE = pathlib.Path(__file__).resolve().parents[3] / "src" / "webhooks" / "signatures.json"
ROWS = json.loads(TABLE.read_text())


def believes(row: dict, secret: str, body: str) -> bool:
    headers = {
        "webhook-id": row["event"],
        "webhook-timestamp": str(row["timestamp"]),
        "webhook-signature": row["signature"],
    }
    now = datetime.datetime.fromtimestamp(row["timestamp"], datetime.timezone.utc)
    with mock.patch.object(webhooks, "datetime", wraps=datetime.datetime) as clock:
        clock.now.return_value = now
        try:
            webhooks.Webhook(secret).verify(body, headers)
        except webhooks.WebhookVerificationError:
            return False
    return True


@pytest.mark.parametrize("row", ROWS, ids=[row["event"] for row in ROWS])
def test_the_library_believes_every_secret_in_force_and_no_other(row):
    assert all(believes(row, secret, row["body"]) for secret in row["secrets"])
    assert not believes(row, row["secrets"][0], row["body"] + " ")
    assert not believes(row, "whsec_" + "A" * 43 + "=", row["body"])
