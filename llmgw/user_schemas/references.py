"""Where the references within a schema lead; all of them must stay within it.

Identifiers are followed as 2020-12 says: an `$id` begins a resource of its own, an anchor names a place in one.
Nothing is ever fetched.
"""

from collections.abc import Iterator
from urllib.parse import unquote, urldefrag, urljoin

from llmgw.types.json import Json
from llmgw.types.violation import Violation, pointer_to
from llmgw.user_schemas.keywords import REFERENCES, inner


class References:
    """The places of one schema by every name they have; `problems` are references that lead to none of them."""

    def __init__(self, document: dict[str, Json]) -> None:
        """Follow every reference of a schema that has the form of one."""
        self.problems: list[Violation] = []
        self.targets: dict[str, str] = {}
        """The pointer of each schema that refers to another, and the pointer of that other."""
        self._places: set[str] = set()
        self._resources: dict[str, str] = {"": ""}
        self._anchors: dict[tuple[str, str], str] = {}
        self._dynamic: set[str] = set()
        schemas = list(self._named(document, "", ""))
        for schema, pointer, base in schemas:
            self._follow(schema, pointer, base)

    def _named(self, schema: Json, pointer: str, base: str) -> Iterator[tuple[dict[str, Json], str, str]]:
        """Note the names of a schema and all within it; `base` is the identifier of the resource it is in."""
        self._places.add(pointer)
        if isinstance(schema, bool):
            return
        if "$id" in schema:
            base = self._identified(schema["$id"], pointer, base)
        for keyword in ("$anchor", "$dynamicAnchor"):
            if keyword in schema:
                self._anchored(schema[keyword], pointer, base, keyword)
        yield schema, pointer, base
        for steps, each in inner(schema):
            yield from self._named(each, pointer + pointer_to(*steps), base)

    def _identified(self, identifier: str, pointer: str, base: str) -> str:
        try:
            name = urldefrag(urljoin(base, identifier)).url
        except ValueError:
            self._refuse(f"{pointer}/$id", "is not a URI")
            return base
        if name in self._resources and pointer:
            self._refuse(f"{pointer}/$id", "is the $id of another schema in this document")
        self._resources[name] = pointer
        return name

    def _anchored(self, name: str, pointer: str, base: str, keyword: str) -> None:
        if self._anchors.get((base, name), pointer) != pointer:
            self._refuse(f"{pointer}/{keyword}", "is an anchor of another schema in this document")
        self._anchors[base, name] = pointer
        # With one such anchor of a name, a dynamic reference to it leads to one place, whoever came by on the way.
        if keyword == "$dynamicAnchor":
            if name in self._dynamic:
                self._refuse(
                    f"{pointer}/{keyword}", "is declared twice, so that references to it lead to two places"
                )
            self._dynamic.add(name)

    def _follow(self, schema: dict[str, Json], pointer: str, base: str) -> None:
        if len(REFERENCES & schema.keys()) > 1:
            self._refuse(f"{pointer}/$dynamicRef", "cannot stand beside $ref; put one of them into allOf")
        for keyword in sorted(REFERENCES & schema.keys()):
            target = self._resolved(schema[keyword], base)
            if target is None:
                self._refuse(
                    f"{pointer}/{keyword}",
                    "must lead to a schema within this document: nothing is fetched from elsewhere",
                )
            else:
                self.targets[pointer] = target

    def _resolved(self, reference: str, base: str) -> str | None:
        try:
            url = base + reference if reference.startswith("#") else urljoin(base, reference)
            name, fragment = urldefrag(url)
            fragment = unquote(fragment, errors="strict")
        except ValueError:
            return None
        resource = self._resources.get(name)
        if resource is None:
            return None
        if fragment and not fragment.startswith("/"):
            return self._anchors.get((name, fragment))
        return resource + fragment if resource + fragment in self._places else None

    def _refuse(self, pointer: str, message: str) -> None:
        self.problems.append(Violation(rule="schema.reference", pointer=pointer, message=message))
