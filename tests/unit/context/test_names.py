"""What contexts are called, where their chains begin, and where their large content is kept."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llmgw.context.integrity import blobs, lineage
from llmgw.context.integrity.chain_keys import ChainKeys, UnknownKey
from llmgw.context.integrity.lineage import Genesis, link_of_genesis
from llmgw.context.storage.names import ALL, CONTEXT_ID, checked
from llmgw.types.errors import InvalidRequest
from llmgw.types.message import MediaPart, Part, TextPart, ToolResultPart
from redis.crc import key_slot
from tests.unit.context.documents import VALUES
from tests.unit.context.turns import KEYS, OTHER, SALT, SECRET, text

BORN = Genesis(context="c", created=1_700_000_000_000, key_id="k1")
FORK = Genesis(context="f", created=1_700_000_000_001, key_id="k1", at=3, parent="c", head="ab" * 32)


@given(st.from_regex(CONTEXT_ID, fullmatch=True))
def test_all_of_a_context_is_in_one_slot(name: str) -> None:
    """Whatever a context is called, a cluster keeps all its keys together, and none is another part's."""
    keys = checked("acme", name)
    names = keys.many(*ALL)
    assert len(set(names)) == len(ALL)
    assert {key_slot(each.encode()) for each in names} == {key_slot(f"acme/{name}".encode())}
    assert names == [keys.of(part) for part in ALL]


@pytest.mark.parametrize(
    "name", ["", "a b", "{", "a}", "a/b", "-a", ".a", "é", "a\n", "a\0", "x" * 129, "٣", "a:b", "a*"]
)
def test_names_that_could_be_taken_for_others_are_refused(name: str) -> None:
    """A name with anything but letters, digits and three signs is none; the caller is told where it stands."""
    with pytest.raises(InvalidRequest) as refusal:
        checked("acme", name, "id")
    assert refusal.value.param == "id"


@pytest.mark.parametrize("tenant", ["", "A", "a b", "a/b", "a}", "é", "a\n"])
def test_tenants_that_could_be_taken_for_others_are_refused(tenant: str) -> None:
    """A tenant comes from the gateway's own keys: one that cannot be is a mistake in the gateway."""
    with pytest.raises(ValueError, match="tenant"):
        checked(tenant, "c")


def test_a_lineage_comes_back() -> None:
    """What is written of beginnings is read, and says which of them holds a turn."""
    written = (BORN, FORK)
    assert lineage.decode(lineage.encode(written)) == written
    assert [lineage.home_of(written, seq) for seq in (0, 2, 3, 900)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "stored",
    [b"", b"[]", b"{}", b"null", b"\xff", b'[{"context":"c"}]', lineage.encode((FORK, BORN)), b"[" * 9999],
)
def test_a_damaged_lineage_is_refused(stored: bytes) -> None:
    """Whatever the bytes are, it is said that they are no lineage."""
    with pytest.raises(ValueError, match=r".*"):
        lineage.decode(stored)


def test_a_beginning_binds_all_that_it_says() -> None:
    """With another tenant, name, time, place, parent or key a chain begins otherwise; without the key never."""
    two = ChainKeys({"k1": SECRET, "k2": OTHER})
    base: dict[str, Any] = {
        "context": "f",
        "created": 1,
        "key_id": "k1",
        "at": 3,
        "parent": "c",
        "head": "ab" * 32,
    }
    others: list[dict[str, Any]] = [
        {"context": "g"}, {"created": 2}, {"key_id": "k2"}, {"at": 4}, {"parent": "d"}, {"head": "cd" * 32},
    ]  # fmt: skip
    links = {link_of_genesis(two, "acme", Genesis(**(base | other))) for other in ({}, *others)}
    links.add(link_of_genesis(two, "acme2", Genesis(**base)))
    assert len(links) == 8
    with pytest.raises(UnknownKey):
        link_of_genesis(KEYS, "acme", Genesis(context="f", created=1, key_id="k2"))


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES["part"], max_size=4), st.integers(0, 3))
def test_content_that_was_put_aside_comes_back(parts: list[Part], pictures: int) -> None:
    """Large media leave a digest of themselves, small ones stay; both are the same afterwards."""
    whole: tuple[Part, ...] = tuple(part for part in parts if not any(blobs.named((part,))))
    large = MediaPart(kind="image", base64="A" * blobs.LARGE, media_type="image/png")
    page = MediaPart(kind="file", text="é" * blobs.LARGE, filename="x")
    whole = (*whole, *[large] * pictures, ToolResultPart(call_id="c", content=(text(), page)))
    aside: dict[str, bytes] = {}
    small = blobs.put_aside(whole, SALT, aside)
    assert set(blobs.named(small)) == set(aside)
    assert len(aside) == (2 if pictures else 1)
    assert all(blobs.digest_of(blob) == digest for digest, blob in aside.items())
    assert blobs.brought_back(small, aside, pytest.fail) == whole


def test_the_same_content_has_another_name_in_another_context() -> None:
    """Nobody can tell from two digests whether two contexts hold the same."""
    large = (MediaPart(kind="image", base64="A" * blobs.LARGE),)
    one: dict[str, bytes] = {}
    other: dict[str, bytes] = {}
    blobs.put_aside(large, SALT, one)
    blobs.put_aside(large, bytes(16), other)
    assert one.keys().isdisjoint(other)


def test_base64_and_text_of_the_same_letters_are_two_blobs() -> None:
    """What kind content is of is part of its name: neither comes back as the other."""
    letters = "A" * blobs.LARGE
    parts = (MediaPart(kind="file", base64=letters), MediaPart(kind="file", text=letters))
    aside: dict[str, bytes] = {}
    small = blobs.put_aside(parts, SALT, aside)
    assert len(aside) == 2
    assert blobs.brought_back(small, aside, pytest.fail) == parts


def test_content_that_is_gone_is_named() -> None:
    """What is not at hand stays away, and its digest is told once for each place."""
    aside: dict[str, bytes] = {}
    small = blobs.put_aside(
        (MediaPart(kind="image", base64="A" * blobs.LARGE), TextPart(text="x")), SALT, aside
    )
    missing: list[str] = []
    assert blobs.brought_back(small, {}, missing.append) == small
    assert missing == list(aside)
    assert blobs.tokens_at_most(small) == blobs.PICTURE
