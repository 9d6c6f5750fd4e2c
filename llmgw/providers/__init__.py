"""WHAT VENDORS SPEAK: types <-> bytes, one file per protocol, one row per vendor, no I/O."""
