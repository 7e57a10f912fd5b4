# fish completion of trafsave(8).  Made by scripts/completions.py of the commands' own options.
source (status dirname)/bpft.fish
