"""Contexts in Redis: the names of their keys, the scripts that change them, and what their answers mean."""
