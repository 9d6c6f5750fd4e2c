"""Long mixed traffic with a fault each minute, and the books held against the upstream's own count."""
