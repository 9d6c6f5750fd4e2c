"""Templates made into messages: scanned, compiled once for each content, and rendered within bounds."""
