"""Prepared questions to the call log: each one statement, typed parameters, columns with units, and a sentence."""

from collections.abc import Sequence
from typing import Any, Final

from llmgw.calllog.engine.frames import Table
from llmgw.calllog.questions.change import CHANGE
from llmgw.calllog.questions.plain import PLAIN
from llmgw.calllog.questions.question import BY, Choice, Chosen, Column, Question, Row

__all__ = ["BY", "QUESTIONS", "Choice", "Chosen", "Column", "Question", "Row", "answered"]

QUESTIONS: Final = {each.name: each for each in (*PLAIN, CHANGE)}


def answered(question: Question, chosen: Chosen, table: Table) -> tuple[list[list[Any]], str]:
    """The rows of an answer, in the order of the question's columns, and the sentence."""
    found: Sequence[Row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    rows = question.rows(found, chosen)
    told = [[row.get(column.name) for column in question.columns] for row in rows]
    return told, question.tell(rows, chosen)
