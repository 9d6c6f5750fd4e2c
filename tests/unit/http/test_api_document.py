"""The OpenAPI document of a tenant's APIs: valid, whole, and of nobody else's."""

import asyncio
from typing import Any

import pytest
from llmgw.http.api_document import api_document
from llmgw.http.prompt_catalogue import catalogue, listing, served_apis
from llmgw.prompts.prompts import Prompts
from llmgw.types.prompt import PromptContent
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from tests.published_prompts import content, prompts_of, put

INPUT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"$ref": "#/$defs/words"}},
    "$defs": {"words": {"type": "string", "minLength": 1}},
}
OUTPUT = {"type": "object", "required": ["mood"], "properties": {"mood": {"enum": ["good", "bad"]}}}


def api(major: int = 1, slug: str = "sentiment", **members: Any) -> PromptContent:
    """A version that is served as an API."""
    example = {"summary": "Praise", "input": {"text": "lovely"}, "output": {"mood": "good"}}
    return content(
        ("user", "{{ text }}"),
        model="smart",
        api={"slug": slug, "major": major, "summary": "Good or bad", "examples": [example]},
        input_schema=INPUT,
        output_schema=OUTPUT,
        description="Tells a mood.",
        **members,
    )


@pytest.fixture
def known() -> Prompts:
    """An API in two major versions, the older about to go, and one without an output schema; and a stranger's."""
    prompts = prompts_of(
        api(1),
        api(2),
        name="mood",
        labels={"production": 2, "production-v1": 1},
        facts={
            1: {
                "state": "deprecated",
                "deprecated_ms": 1,
                "sunset_ms": 1_798_761_600_000,
                "successor": "/v1/apis/sentiment/v2",
            }
        },
    )
    put(prompts, content(("user", "hello"), model="smart", api={"slug": "greet"}), name="greet")
    put(prompts, api(1, slug="secret"), name="theirs", tenant="other")
    return prompts


@pytest.mark.parametrize("keys", [True, False])
def test_the_document_is_valid(known: Prompts, *, keys: bool) -> None:
    """By the published schema of OpenAPI 3.1 and that of its schemas."""
    validate(api_document(served_apis(known.snapshot, "default"), keys=keys))


def test_the_validator_sees_what_is_wrong(known: Prompts) -> None:
    """So that the test before this one can fail."""
    document = api_document(served_apis(known.snapshot, "default"), keys=True)
    del document["paths"]["/v1/apis/greet/v1"]["post"]["responses"]
    document["paths"]["/v1/apis/greet/v1"]["post"]["operationId"] = 7
    with pytest.raises(OpenAPIValidationError):
        validate(document)


def test_there_is_an_operation_for_each_major_version_of_each_api(known: Prompts) -> None:
    """With examples of both directions, and the end of what is about to go."""
    paths = api_document(served_apis(known.snapshot, "default"), keys=True)["paths"]
    assert list(paths) == ["/v1/apis/greet/v1", "/v1/apis/sentiment/v2", "/v1/apis/sentiment/v1"]
    old, new = paths["/v1/apis/sentiment/v1"]["post"], paths["/v1/apis/sentiment/v2"]["post"]
    assert (old["deprecated"], "deprecated" in new) == (True, False)
    assert "2027-01-01T00:00:00Z" in old["description"]
    assert "/v1/apis/sentiment/v2" in old["description"]
    asked = new["requestBody"]["content"]["application/json"]
    answered = new["responses"]["200"]["content"]["application/json"]
    assert asked["examples"] == {"example1": {"summary": "Praise", "value": {"text": "lovely"}}}
    assert answered["examples"] == {"example1": {"summary": "Praise", "value": {"mood": "good"}}}
    assert {"400", "404", "410", "422", "502"} < set(new["responses"])
    text = paths["/v1/apis/greet/v1"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert text["required"] == ["text"]


def test_a_tenant_without_apis_has_an_empty_document(known: Prompts) -> None:
    """Which is valid, too, and tells nothing of others."""
    document = api_document(served_apis(known.snapshot, "nobody"), keys=True)
    validate(document)
    assert document["paths"] == {}


def test_the_catalogue_says_where_each_is_and_how_long(known: Prompts) -> None:
    """One line for each major version."""
    assert [
        (each["url"], each["state"], each["prompt"]) for each in catalogue(known.snapshot, "default")
    ] == [
        ("/v1/apis/greet/v1", "published", "greet@1"),
        ("/v1/apis/sentiment/v2", "published", "mood@2"),
        ("/v1/apis/sentiment/v1", "deprecated", "mood@1"),
    ]
    (*_, old) = catalogue(known.snapshot, "default")
    assert (old["sunset"], old["successor"]) == ("2027-01-01T00:00:00Z", "/v1/apis/sentiment/v2")


def test_prompts_are_listed_with_what_they_take(known: Prompts) -> None:
    """Drafts are not; what `production` leads to is described."""
    put(
        known, content(("user", "x"), model="m"), name="draft", facts={1: {"state": "draft"}}, labels={"a": 1}
    )
    found = {each["name"]: each for each in asyncio.run(listing(known.snapshot, "default"))}
    assert set(found) == {"greet", "mood"}
    assert found["mood"] == {
        "name": "mood",
        "labels": {"production": 2, "production-v1": 1},
        "latest": 2,
        "description": "Tells a mood.",
        "input_schema": INPUT,
        "api": {"slug": "sentiment", "major": 2},
    }
