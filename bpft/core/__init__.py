"""The C core: frames into a table, records through filters, columns through the codec."""

from bpft.core._core import *  # noqa: F403
