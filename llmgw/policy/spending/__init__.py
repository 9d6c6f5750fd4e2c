"""Money and limits in the store: what a call may take, what it took, and the books that prove it."""
