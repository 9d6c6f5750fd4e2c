"""Prompts as files: `.prompt`, with front matter in YAML and roles that are split before anything is rendered."""

from llmgw.prompts.files.reading import ParsedPrompt, parse
from llmgw.prompts.files.writing import write

__all__ = ["ParsedPrompt", "parse", "write"]
