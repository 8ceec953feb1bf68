"""The commands: `icl train`, `icl sweep` and so on; `scripts/` has a script for each.

A command is a module with `main`, which reads `sys.argv`, calls the functions that Python users
call, and returns an exit code. Importing one loads no JAX, so that mistakes are reported at once.
"""
