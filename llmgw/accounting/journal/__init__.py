"""What a call cost, on disk before the caller has its answer: an append-only journal of each worker."""
