"""What a key is, and what can be meant by one: pure."""

import unicodedata
from collections.abc import Iterable
from typing import Any, Final, get_args

from msgspec import UNSET, Struct, UnsetType

from llmgw.types.allowance import ENTRIES_MAX, ENTRY, Allowance
from llmgw.types.call import DEFAULT_TENANT, TENANT, Caller, Role
from llmgw.types.errors import InvalidRequest
from llmgw.types.secret import Secret

NAME_MAX: Final = 128
NOTE_MAX: Final = 1024
TAGS_MAX: Final = 16
TAG_MAX: Final = 64
OVERLAP_MAX_MS: Final = 90 * 86_400_000
"""How long a secret may live beside the one in its place."""


class Terms(Struct, frozen=True, kw_only=True):
    """What a key comes with besides its name and role.

    `allow` is what it may call, everything where it is None and nothing where it is empty.
    """

    tenant: str = DEFAULT_TENANT
    team: str = ""
    tags: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    note: str = ""
    expires_ms: int | None = None


class KeyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key gets in the place of what it has; what is left out stays. Without an end it lives for ever."""

    team: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    note: str | UnsetType = UNSET
    expires_ms: int | UnsetType | None = UNSET

    @property
    def given(self) -> dict[str, Any]:
        """What is not left out, by its name."""
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in named.items() if value is not UNSET}


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A key as its administrators see it; times are unix milliseconds.

    `allow` is what it may call, `previous_until_ms` when the secrets end that a rotation left good for a while.
    """

    id: str
    name: str
    role: Role
    tenant: str
    team: str = ""
    tags: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    note: str = ""
    created_ms: int
    rotated_ms: int | None = None
    previous_until_ms: tuple[int, ...] = ()
    expires_ms: int | None = None
    revoked_ms: int | None = None


def holder_of(record: KeyRecord) -> Caller:
    """Who calls with a key."""
    return Caller(
        key_id=record.id,
        name=record.name,
        role=record.role,
        tenant=record.tenant,
        team=record.team,
        tags=record.tags,
        allowed=None if record.allow is None else Allowance(record.allow),
    )


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made; its `token` is known to nobody else and cannot be asked for again."""

    id: str
    token: Secret


def check_key(name: str, role: str, terms: Terms) -> None:
    """Refuse what cannot be meant.

    Raises:
        InvalidRequest: `param` names the member.
    """
    if not 1 <= len(name) <= NAME_MAX or not is_plain(name):
        raise InvalidRequest(f"a key's name has 1 to {NAME_MAX} printable characters", param="name")
    if role not in get_args(Role):
        raise InvalidRequest(f"a key's role is one of {', '.join(get_args(Role))}", param="role")
    if not TENANT.fullmatch(terms.tenant):
        raise InvalidRequest(f"a tenant's name {_NAMED}", param="tenant")
    if terms.team and not TENANT.fullmatch(terms.team):
        raise InvalidRequest(f"a team's name {_NAMED}", param="team")
    if len(terms.tags) > TAGS_MAX or not all(
        1 <= len(tag) <= TAG_MAX and is_plain(tag) for tag in terms.tags
    ):
        raise InvalidRequest(
            f"a key has at most {TAGS_MAX} tags of 1 to {TAG_MAX} printable characters", param="tags"
        )
    if len(terms.note) > NOTE_MAX or not is_plain(terms.note):
        raise InvalidRequest(f"a key's note has at most {NOTE_MAX} printable characters", param="note")
    if terms.allow is not None:
        check_entries(terms.allow)


_NAMED: Final = "has 1 to 63 of a-z, 0-9, '_' and '-', and begins with a letter or digit"


def check_entries(entries: Iterable[str]) -> None:
    """Refuse a list of what may be called that cannot be meant.

    Raises:
        InvalidRequest: it is too long, or an entry is none.
    """
    listed = tuple(entries)
    if len(listed) > ENTRIES_MAX:
        raise InvalidRequest(f"a key's list has at most {ENTRIES_MAX} entries", param="allow")
    if not all(ENTRY.fullmatch(entry) and is_plain(entry) for entry in listed):
        raise InvalidRequest(
            "an entry of a key's list is an alias, provider/model, api:SLUG or prompt:NAME, of 1 to 256 printable "
            "characters without spaces, in which '*' stands for any others",
            param="allow",
        )


def is_plain(text: str) -> bool:
    """Whether there is nothing in a text that could forge a line of a log or change a terminal."""
    return not any(unicodedata.category(char)[0] in "CZ" and char != " " for char in text)
