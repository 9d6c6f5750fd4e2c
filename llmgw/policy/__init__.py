"""MAY THEY: keys and who holds them."""
