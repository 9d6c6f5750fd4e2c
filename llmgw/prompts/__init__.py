"""WHAT WE ALWAYS SAY: prompts in versions that never change, the labels that lead to them, and their rendering."""
