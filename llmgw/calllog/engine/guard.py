"""What a caller may ask in SQL: one SELECT over what it may read. All that is not known to be harmless is refused.

The statement is judged by its syntax tree as DuckDB itself writes it down, never by its text. A name in FROM is one
of the tables, or of a common table expression of the statement; such a name is a plain word that names nothing
else, so that wherever it is looked up it cannot turn out to be a file or a table of the system.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import duckdb
import msgspec

from llmgw.calllog.engine.functions import FUNCTIONS, TABLE_FUNCTIONS

MAX_DEPTH: Final = 200
MAX_NODES: Final = 20_000

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_EXPRESSIONS: Final = frozenset({
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION",
    "LAMBDA", "LAMBDA_REF", "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW",
    "TYPE",
})  # fmt: skip
_NODES: Final = frozenset({
    "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE", "BASE_TABLE", "EMPTY",
    "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY", "TABLE_FUNCTION", "DISTINCT_MODIFIER",
    "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
    "ORDER_ASCENDING", "ORDER_DESCENDING",
})  # fmt: skip
_SHOWN: Final = frozenset({"DESCRIBE", "SUMMARY"})
# What a type of a cast may say; anything else could be looked up in the catalog.
_TYPE_IDS: Final = frozenset({
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "CHAR", "BLOB", "DATE", "TIME",
    "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE",
    "TIME WITH TIME ZONE", "INTERVAL", "UUID", "LIST", "STRUCT", "MAP", "JSON", "UNBOUND", "STRING_LITERAL",
    "INTEGER_LITERAL", "ARRAY", "NULL", "SQLNULL", "ANY",
})  # fmt: skip


class NotAllowed(Exception):
    """What the statement says that it may not; the message may be told to whoever wrote it."""


def checked(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: Collection[str], catalog: Collection[str]
) -> duckdb.Statement:
    """Return the one statement of a text, if it may be run.

    `tables` are those it may read, `catalog` all other names that FROM finds.

    Raises:
        NotAllowed: it may not be run, or is none.
    """
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise NotAllowed(told(error)) from None
    if len(statements) != 1:
        raise NotAllowed("give one statement")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise NotAllowed("only SELECT may be asked")
    tree = _tree(connection, sql)
    whole = [node for _, node in zip(range(MAX_NODES + 1), _nodes(tree), strict=False)]
    if len(whole) > MAX_NODES:
        raise NotAllowed("the statement is too long")
    named = _common_tables(whole, catalog)
    judge = _Judge(frozenset(tables) | named)
    for node in whole:
        judge.look(node)
    return statements[0]


def told(error: duckdb.Error) -> str:
    """What DuckDB says of a statement, without the hints that name what else there is."""
    return str(error).partition("\n")[0].strip() or "it is not understood"


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    try:
        found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        whole: Any = msgspec.json.decode(found[0]) if found is not None else {"error": True}
    except (duckdb.Error, msgspec.DecodeError, RecursionError):
        raise NotAllowed("the statement is not understood") from None
    if not isinstance(whole, dict) or whole.get("error") or len(whole.get("statements", ())) != 1:
        raise NotAllowed(
            str(whole.get("error_message", "the statement is not understood")).partition("\n")[0]
        )
    return whole["statements"][0]["node"]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree."""
    left: list[tuple[Any, int]] = [(tree, 0)]
    while left:
        value, depth = left.pop()
        if depth > MAX_DEPTH:
            raise NotAllowed("the statement is nested too deep")
        if isinstance(value, dict):
            yield value
            left += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            left += [(each, depth + 1) for each in value]


def _common_tables(nodes: list[dict[str, Any]], catalog: Collection[str]) -> frozenset[str]:
    """Names of common table expressions.

    Raises:
        NotAllowed: one is the name of something that is there.
    """
    named = {
        str(entry.get("key", "")).lower()
        for node in nodes
        if isinstance(node.get("cte_map"), dict)
        for entry in node["cte_map"].get("map", ())
    }
    for name in named:
        if not _WORD.fullmatch(name) or name in catalog:
            raise NotAllowed(
                "name what stands in WITH by a word of letters, digits and _ that names nothing else"
            )
    return frozenset(named)


class _Judge:
    """Looks at the objects of a tree one by one."""

    def __init__(self, readable: frozenset[str]) -> None:
        self._readable = readable
        self._by_type: dict[str, Callable[[dict[str, Any]], None]] = {
            "BASE_TABLE": self._table,
            "TABLE_FUNCTION": self._table_function,
            "SHOW_REF": self._shown,
        }

    def look(self, node: dict[str, Any]) -> None:
        """Look at one.

        Raises:
            NotAllowed: it is not known to be harmless.
        """
        kind = node.get("class")
        if kind is not None and kind not in _EXPRESSIONS:
            raise NotAllowed(f"this is not allowed here: {_shown(kind)}")
        if "function_name" in node:
            _function(node)
        form = node.get("type")
        if kind is None and isinstance(form, str) and form not in _NODES:
            raise NotAllowed(f"this is not allowed here: {_shown(form)}")
        if kind is None and isinstance(form, str):
            self._by_type.get(form, _pass)(node)
        if "type_info" in node and node.get("id") not in _TYPE_IDS:
            raise NotAllowed("a type is not known")
        if node.get("at_clause") is not None:
            raise NotAllowed("AT is not allowed")

    def _table(self, node: dict[str, Any]) -> None:
        path = (node.get("qualified_name") or {}).get("path", [])
        name = str(node.get("table_name", "")).lower()
        if (
            node.get("schema_name")
            or node.get("catalog_name")
            or [str(each).lower() for each in path] != [name]
        ):
            raise NotAllowed(f"there is no such table: {_shown('.'.join(map(str, path)))}")
        if name not in self._readable:
            raise NotAllowed(f"there is no such table: {_shown(name)}")

    def _table_function(self, node: dict[str, Any]) -> None:
        function = node.get("function") or {}
        name = str(function.get("function_name", "")).lower()
        if function.get("class") != "FUNCTION" or name not in TABLE_FUNCTIONS:
            raise NotAllowed(f"this function may not stand in FROM: {_shown(name)}")

    def _shown(self, node: dict[str, Any]) -> None:
        if node.get("show_type") not in _SHOWN or node.get("query") is None or node.get("table_name"):
            raise NotAllowed("only SELECT may be asked")


def _function(node: dict[str, Any]) -> None:
    name = str(node["function_name"]).lower()
    path = (node.get("qualified_name") or {}).get("path", [name])
    if node.get("schema") or node.get("catalog") or [str(each).lower() for each in path] != [name]:
        raise NotAllowed(f"this function may not be called: {_shown('.'.join(map(str, path)))}")
    if name and name not in FUNCTIONS:
        raise NotAllowed(f"this function may not be called: {_shown(name)}")


def _pass(_node: dict[str, Any]) -> None:
    pass


def _shown(word: object) -> str:
    return repr(str(word)[:80])
