"""trafd: one interface counted into one table, kept through dumps and saves (SEMANTICS E1-E9, P1-P3)."""
