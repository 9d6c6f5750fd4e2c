"""A provider in a box: deterministic endpoints on loopback for demos, tests and load."""
