"""Open a source, run it, fill a table."""
