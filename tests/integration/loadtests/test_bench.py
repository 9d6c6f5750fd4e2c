"""The benchmark runs end to end; what it measures is nobody's business here."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def test_the_shortest_benchmark_ends_without_errors_and_shows_all_three_servers() -> None:
    """Upstream, forwarder and gateway each answer the cheapest scenario whole, and each gets its row."""
    command = [sys.executable, "-m", "loadtests", "--quick", "--only", "paced-stream"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    last_cells = {row[0].strip(): row[-1].strip() for row in rows[1:]}
    assert last_cells == {"upstream direct": "0", "bare forwarder": "0", "llmgw": "0"}


def test_contexts_are_measured_beside_the_naive_way_and_hold_what_was_said() -> None:
    """Every way leaves all turns of all its calls stored, alone and served, and each gets its row."""
    only = ("--only", "context-store", "--only", "context-calls")
    command = [sys.executable, "-m", "loadtests", "--quick", *only]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in done.stdout.splitlines()
        if line.startswith("| ")
    ]
    errors = {(row[1], row[0]): row[-1] for row in rows if row[0].replace(",", "").isdigit()}
    sizes = ("0", "100", "1,000", "10,000")
    ways = ("warm", "naive", "upstream direct", "stateless", "context", "context, cut")
    expected = {(way, size) for way in ways for size in sizes} | {("cold", size) for size in sizes[1:]}
    assert errors == dict.fromkeys(expected | {("made by the call", "0")}, "0")


def test_prompts_are_found_without_the_store() -> None:
    """The scenario of prompts runs through, and the store counts no command for all the calls it makes."""
    command = [sys.executable, "-m", "loadtests", "--quick", "--only", "prompts"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "| store commands per call | 0 | 0 | yes |" in done.stdout
