"""Signatures and bodies of webhooks, as the specification has them."""

import base64
import json

import pytest
from llmgw.policy.signals.webhook import Webhook, body_of, message_id, ping, secret_bytes, signed_headers
from llmgw.types.secret import Secret
from msgspec.structs import replace

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize("written", [SECRET, f"whsec_{SECRET}"])
def test_the_signature_is_that_of_the_reference_libraries(written: str) -> None:
    """Id, time, body and secret of the test that the libraries of the specification share, and its signature."""
    headers = dict(
        signed_headers(Secret(written), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    )
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def _encoded(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    "written", ["", "whsec_", "whsec_!", "no base64 at all", _encoded(23), _encoded(65), "é" * 40]
)
def test_what_is_no_secret_is_refused_without_repeating_it(written: str) -> None:
    """Neither too short nor too long nor anything but base64; the words have nothing of it."""
    with pytest.raises(ValueError, match="base64") as refused:
        secret_bytes(written)
    assert not written.strip("whsec_") or written not in str(refused.value)
    assert len(secret_bytes(_encoded(24))) == 24
    assert len(secret_bytes(f"whsec_{_encoded(64)}")) == 64


def test_an_id_has_no_full_stop_and_is_that_of_one_fact() -> None:
    """Names with full stops cannot move the place where the id ends; another tenant's fact has another id."""
    event = replace(ping(0), id="budget:team:a.b:month:2026-01:80", tenant="acme")
    assert message_id(event) == message_id(replace(event, at_ms=5))
    assert "." not in message_id(event)
    assert message_id(event) != message_id(replace(event, tenant="zeta"))


def test_a_body_says_kind_time_and_event() -> None:
    """The three members that the specification recommends."""
    body = json.loads(body_of(ping(1_700_000_000_042)))
    assert (body["type"], body["timestamp"]) == ("ping", "2023-11-14T22:13:20.042Z")
    assert body["data"]["message"] == "This is a test of the webhook."


def test_only_the_origin_of_a_webhook_is_shown() -> None:
    """Path and query are often secret; what stands for the webhook follows the whole URL."""
    hook = Webhook(url="https://hooks.example.com:8443/T0/B0/token?x=y", secret=Secret(SECRET))
    assert hook.origin == "https://hooks.example.com:8443"
    assert hook.id != Webhook(url="https://hooks.example.com:8443/T0", secret=Secret(SECRET)).id
