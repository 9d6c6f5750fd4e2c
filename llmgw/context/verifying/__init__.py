"""Histories that callers keep themselves, compared from call to call by digests of what was said."""
