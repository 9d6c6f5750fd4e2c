"""THE LANGUAGE: the values that travel through the house.

Wire formats decode bytes into these values and providers encode them; no room invents its own.
This package imports nothing else of ours.
"""
