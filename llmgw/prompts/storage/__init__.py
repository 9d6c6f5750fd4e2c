"""Prompts in Redis: the names of their keys, the scripts that read and change them, and what their answers mean."""
