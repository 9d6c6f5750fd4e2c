"""WHO ANSWERS: from the name a caller wrote to the targets to try."""
