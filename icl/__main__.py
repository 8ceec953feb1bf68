"""`python -m icl` is the program `icl`."""

from icl.cli.main import main

main()
