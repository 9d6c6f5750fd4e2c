"""The page on the protocol names what the code knows, and says the same of it."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import get_args

from llmgw.context.integrity.chain_keys import ChainKeys
from llmgw.context.integrity.lineage import Genesis, link_of_genesis
from llmgw.context.integrity.proof import proven
from llmgw.types import context_errors
from llmgw.types.context import BASE_POLICY, FitMode, Policy, Rule
from llmgw.types.errors import GatewayError
from llmgw.types.preservation import WEIGHTS, Check, Verdict
from llmgw.types.secret import Secret
from llmgw.types.violation import Level

PAGE = (Path(__file__).parents[3] / "docs" / "context-protocol.md").read_text(encoding="utf-8")


def _rows(header: str) -> list[list[str]]:
    """The cells of the table that begins with this header, without code marks."""
    table = PAGE.partition(f"| {header} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in table]


def test_the_rules_have_their_levels() -> None:
    """Each rule is listed with the level it has by default."""
    assert {row[0]: row[2].strip("` ") for row in _rows("rule")} == {
        rule: Policy().level(rule) for rule in get_args(Rule)
    }


def test_levels_fits_checks_and_verdicts_are_listed() -> None:
    """None is missing and none is made up."""
    assert [row[0] for row in _rows("level")] == list(get_args(Level))
    assert [row[0] for row in _rows("`fit`")] == list(get_args(FitMode))
    assert [row[0] for row in _rows("check")] == list(get_args(Check))
    assert [row[0] for row in _rows("verdict")] == list(get_args(Verdict))
    assert f"({BASE_POLICY.fit_target} by default)" in PAGE
    assert f"`{BASE_POLICY.fit}` | 413; the default" in PAGE


def test_the_weights_are_those_of_the_score() -> None:
    """Each severity is listed with what it takes off."""
    assert {row[0]: float(row[1]) for row in _rows("severity")} == WEIGHTS


def test_every_error_is_listed_with_its_status() -> None:
    """Whoever gets a code finds it here."""
    listed = {(row[1], int(row[0])) for row in _rows("status") if "," not in row[1]}
    classes = [
        each
        for each in vars(context_errors).values()
        if isinstance(each, type)
        and issubclass(each, GatewayError)
        and each.__module__ == context_errors.__name__
        and not each.__name__.startswith("_")
    ]
    assert listed == {(each.code, each.status) for each in classes}


def test_links_into_the_reference_lead_to_its_headings() -> None:
    """The words lead to their documents."""
    reference = (Path(__file__).parents[3] / "docs" / "context-reference.md").read_text(encoding="utf-8")
    headings = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^##+ (.+)$", reference, flags=re.MULTILINE)
    }
    assert set(re.findall(r"context-reference\.md#([\w-]+)", PAGE)) <= headings


def test_the_worked_example_comes_out() -> None:
    """Whoever follows the page with nothing but HMAC and SHA-256 gets its values, and so does the gateway."""
    given = {row[0].replace("`", ""): row[1] for row in _rows("what | value")}
    secret = given["secret of the key k1"].encode()
    chain_key = hmac.digest(secret, b"llmgw/context/1/chain\0default", "sha256")
    assert chain_key.hex() == given["chain key of the tenant default"]
    beginning = b'llmgw/context/1/genesis["default","c1",1795737600000,0,"",""]'
    genesis = hmac.digest(chain_key, beginning, "sha256")
    assert genesis.hex() == given["genesis of the context c1, created 1795737600000"]
    meta, body = given["meta of its first turn"].encode(), given["body"].encode()
    salt = bytes.fromhex(given["salt"])
    digest = hashlib.sha256(salt + body).digest()
    assert digest.hex() == given["digest"]
    link = hmac.digest(chain_key, b"llmgw/context/1" + genesis + digest + meta, "sha256")
    assert link.hex() == given["link, and head"]
    frame = b"".join((b"\1\0\2k1", len(meta).to_bytes(2, "big"), meta, salt, digest, link, body))
    keys = ChainKeys({"k1": Secret(secret.decode())})
    ours = link_of_genesis(keys, "default", Genesis(context="c1", created=1795737600000, key_id="k1"))
    (proved,) = proven(keys, "default", [frame], 0, ours)
    assert (proved.head, proved.body) == (given["link, and head"], body)
