"""WHAT CALLERS SPEAK: bytes <-> types, one file per dialect, no I/O."""
