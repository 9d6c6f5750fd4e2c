"""`auth.issuers`: whose tokens are taken in the place of keys, and what they open."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from llmgw.policy.issuers import Algorithm
from llmgw.policy.issuers import Issuer as Rules
from llmgw.policy.issuers.jwks import BadKeySet, read_key_set
from llmgw.policy.issuers.keyset import read_file
from llmgw.policy.issuers.rules import NAME
from llmgw.settings.address import base_url_problem, http_url_problem, is_loopback
from llmgw.settings.problem import Finding, Path
from llmgw.types.call import TENANT, Role
from llmgw.types.target import Seconds

Claim = Annotated[str, Meta(min_length=1, max_length=256)]
_DAY = 86_400


class IssuerRoles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which role a token gives its caller."""

    claim: Claim = "groups"
    """Claim with the groups or roles, a list of texts or one text; a path such as `/realm_access/roles` begins
    with a slash."""
    map: Annotated[dict[str, Role], Meta(max_length=1000)] = {}
    """Role of each value of the claim. Of several, a caller has the first of admin, operator, publisher, caller,
    viewer."""
    default: Literal["none", "admin", "operator", "publisher", "caller", "viewer"] = "none"
    """Role of those to whom no value gives one; `none` refuses them with 403."""


class IssuerTenant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose tenant a token's caller is of; exactly one of the two."""

    claim: Claim | None = None
    """Claim that names the tenant. Whoever may set it to `default`, with the role admin, reaches all tenants."""
    fixed: str | None = None
    """The tenant of all callers of this issuer."""


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer of tokens."""

    name: str
    """What it is called here: up to 32 of a-z, 0-9, '_' and '-'. It is part of the ids of its callers."""
    issuer: Annotated[str, Meta(min_length=1, max_length=2048)]
    """What its tokens say in `iss`, to the letter."""
    audience: Annotated[str, Meta(min_length=1, max_length=2048)]
    """What its tokens for this gateway have in `aud`."""
    algorithm: Algorithm
    """The one algorithm it signs with; whatever else a token says is refused."""
    jwks_url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    """Where its keys are; found through `issuer`/.well-known/openid-configuration by default."""
    jwks_file: FilePath | None = None
    """A file with its keys, for where it cannot be reached; a relative path starts at the settings file."""
    roles: IssuerRoles = IssuerRoles()
    """Which role a token gives its caller."""
    tenant: IssuerTenant
    """Whose tenant a token's caller is of."""
    name_claim: Claim = "name"
    """Claim with the caller's name, as `/v1/me` tells it."""
    calls: bool = False
    """Let its callers also call models and work with contexts, where their role may; without it their tokens are
    for the control plane alone."""
    leeway_s: Annotated[float, Meta(ge=0, le=300)] = 30.0
    """Seconds by which its clock may differ."""
    max_age_s: Annotated[float, Meta(ge=60, le=30 * _DAY)] = float(_DAY)
    """Longest life of a token in seconds, from its `iat` to its `exp`."""
    keys_s: Seconds = 300.0
    """Seconds after which its keys are asked for again."""
    stale_keys_s: Annotated[float, Meta(ge=0, le=30 * _DAY)] = 3_600.0
    """Seconds that older keys stay good while new ones cannot be had; after that its tokens are answered 503."""


def rules_of(issuer: Issuer) -> Rules:
    """What the policy room works with."""
    return Rules(
        name=issuer.name,
        issuer=issuer.issuer,
        audience=issuer.audience,
        algorithm=issuer.algorithm,
        roles=issuer.roles.map,
        role_claim=issuer.roles.claim,
        default=None if issuer.roles.default == "none" else issuer.roles.default,
        tenant=issuer.tenant.fixed,
        tenant_claim=issuer.tenant.claim,
        name_claim=issuer.name_claim,
        calls=issuer.calls,
        leeway_s=issuer.leeway_s,
        max_age_s=issuer.max_age_s,
        keys_s=issuer.keys_s,
        stale_keys_s=issuer.stale_keys_s,
        jwks_url=issuer.jwks_url,
        jwks_file=issuer.jwks_file,
    )


def check_issuers(issuers: tuple[Issuer, ...], mode: str) -> Iterator[Finding]:
    """Yield what does not hold of `auth.issuers`."""
    path: Path = ("auth", "issuers")
    if issuers and mode == "none":
        yield Finding(path=path, message="who asks for no keys cannot ask for tokens: auth.mode is none")
    for member in ("name", "issuer"):
        seen: set[str] = set()
        for number, issuer in enumerate(issuers):
            said = getattr(issuer, member)
            if said in seen:
                yield Finding(path=(*path, number, member), message="is that of another issuer, too")
            seen.add(said)
    for number, issuer in enumerate(issuers):
        yield from _issuer(issuer, (*path, number))


def _issuer(issuer: Issuer, path: Path) -> Iterator[Finding]:
    if not NAME.fullmatch(issuer.name):
        message = "an issuer's name is up to 32 of a-z, 0-9, '_' and '-', and begins with a letter or digit"
        yield Finding(path=(*path, "name"), message=message)
    # Its text is compared with tokens and fetched from at most: a URL is asked for where it is fetched from.
    located = issuer.jwks_url is None and issuer.jwks_file is None
    if located and (problem := base_url_problem(issuer.issuer) or _insecure(issuer.issuer)):
        yield Finding(path=(*path, "issuer"), message=problem)
    if issuer.jwks_url is not None:
        if issuer.jwks_file is not None:
            yield Finding(path=(*path, "jwks_file"), message="its keys are at jwks_url already")
        if problem := http_url_problem(issuer.jwks_url) or _insecure(issuer.jwks_url):
            yield Finding(path=(*path, "jwks_url"), message=problem)
    elif issuer.jwks_file is not None:
        try:
            read_key_set(read_file(rules_of(issuer)), issuer.algorithm)
        except BadKeySet as error:
            yield Finding(path=(*path, "jwks_file"), message=str(error))
    for member in ("claim", "name_claim"):
        claim = issuer.name_claim if member == "name_claim" else issuer.roles.claim
        if claim == "/":
            where = (*path, member) if member == "name_claim" else (*path, "roles", member)
            yield Finding(path=where, message="is the path to no claim")
    if not issuer.roles.map and issuer.roles.default == "none":
        yield Finding(path=(*path, "roles"), message="gives nobody a role: fill map, or set default")
    yield from _tenant(issuer.tenant, (*path, "tenant"))


def _tenant(tenant: IssuerTenant, path: Path) -> Iterator[Finding]:
    if (tenant.claim is None) == (tenant.fixed is None):
        yield Finding(path=path, message="needs exactly one of claim and fixed")
    elif tenant.fixed is not None and not TENANT.fullmatch(tenant.fixed):
        message = "a tenant's name has 1 to 63 of a-z, 0-9, '_' and '-', and begins with a letter or digit"
        yield Finding(path=(*path, "fixed"), message=message)


def _insecure(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "must start with https:// unless it is on this machine"
    return None
