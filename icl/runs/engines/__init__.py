"""Ways to compute groups of runs.

base    the protocol of engines, and what they share
single  one run by itself; host threads run several side by side
lanes   many runs as lanes of one program
spread  one large run over all devices of all processes
table   the engines by name, and which one suits this machine
"""
