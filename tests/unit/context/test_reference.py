"""The page of all documents."""

import re
from pathlib import Path

from llmgw.context.protocol import documents
from llmgw.context.protocol.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "context-reference.md"


def test_the_page_is_fresh() -> None:
    """`docs/context-reference.md` is what the schemas say; if not, write it anew as the page itself tells."""
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_link_within_the_page_leads_to_one_heading() -> None:
    """No two documents or definitions share a heading, and every type that is linked has one."""
    text = page()
    headings = [
        heading.lower().replace(" ", "-") for heading in re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)
    ]
    assert len(set(headings)) == len(headings)
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(headings)


def test_every_member_is_on_the_page() -> None:
    """Each member of each document and definition has its line."""
    rows = re.findall(r"^\| `(\w+)` \|", page(), flags=re.MULTILINE)
    members = [
        name
        for document in documents().values()
        for node in (document, *document.get("$defs", {}).values())
        for name in node.get("properties", ())
    ]
    assert rows == members
