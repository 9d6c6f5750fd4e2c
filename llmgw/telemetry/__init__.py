"""WHO SAW IT: logs and spans made from finished calls."""
