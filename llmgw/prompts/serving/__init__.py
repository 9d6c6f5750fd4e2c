"""How a worker serves prompts without asking the store: what it knows, how that is kept up, and what it counts."""
