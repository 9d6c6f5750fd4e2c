"""The ledger's rows on disk: what leaves the store is in files first, and can be read and proved from them."""
