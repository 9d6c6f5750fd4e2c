"""What is believed of an issuer's tokens."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgw.types.call import Role

Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Signatures with a public key. None of these can be checked with a secret that both sides know."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
"""What an issuer may be called: it stands in the ids of callers."""
RANKS: Final[tuple[Role, ...]] = ("admin", "operator", "publisher", "caller", "viewer")
"""Of several roles that a token is given, the first of these is its caller's."""


class Issuer(Struct, frozen=True, kw_only=True):
    """An issuer, by `name`, and what its tokens must say; times are seconds.

    `tenant` is that of all its callers, or None where `tenant_claim` names the claim that says it. `default` is the
    role of those whom `roles` gives none; without either a token opens nothing. `keys_s` is how old its keys may
    get before they are asked for again, `stale_keys_s` how much older while they cannot be had.
    """

    name: str
    issuer: str
    audience: str
    algorithm: Algorithm
    roles: Mapping[str, Role]
    role_claim: str
    default: Role | None = None
    tenant: str | None = None
    tenant_claim: str | None = None
    name_claim: str = "name"
    calls: bool = False
    leeway_s: float = 30.0
    max_age_s: float = 86_400.0
    keys_s: float = 300.0
    stale_keys_s: float = 3_600.0
    jwks_url: str | None = None
    jwks_file: Path | None = None
