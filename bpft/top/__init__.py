"""Who uses the bandwidth now: two looks at a table a second apart, as rates, on a terminal, in a pipe, as JSON."""
