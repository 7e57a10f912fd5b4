"""python -m bpft is bpft."""

from bpft.cli.main import main

if __name__ == "__main__":
    main()
