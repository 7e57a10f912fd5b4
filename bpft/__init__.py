"""bpft: who sent how many bytes to whom, kept in a small log that adds up."""

__version__ = "0.1.0"
