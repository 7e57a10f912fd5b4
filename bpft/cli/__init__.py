"""The command line: parse, call one function, print.  Nothing is imported here, so that each command starts fast."""
