"""Records for other tools, one file a format: a row a record, behind its block's time, interface and host."""

from bpft.chunk import ROW

#: The columns of every export, in this order; their names stay.
COLUMNS = ("begin", "end", "interface", "host", *ROW)
