"""Figures, drawn with Matplotlib.

style, formats           the look that all share, and their files
curves                   a run along training
sweep                    a sweep: learning curves, effects of knobs, phase diagrams
measures                 rich and lazy learning: at the end against a knob, and over training
initial_weights          the same against statistics of initial weights
overview                 several grids
shown, sequences, trials what a network is shown
distribution, spectra    a config before training: its sequences, its weight matrices
theory                   two-layer linear networks
"""
