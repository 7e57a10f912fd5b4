# fish completion of trafdump(8).  Made by scripts/completions.py of the commands' own options.
source (status dirname)/bpft.fish
