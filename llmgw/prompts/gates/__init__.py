"""What a version must come to before a label leads to it: lint, datasets, assertions and paired comparison."""
