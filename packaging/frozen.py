"""What the frozen executable runs.  It is not in the package's directory, so that the installed one is frozen."""

from bpft.cli.main import main

main()
