"""That what is stored is what was stored: frames, chains, seals, ciphers, bundles."""
