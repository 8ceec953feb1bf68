"""Analysis of records on the host: numbers, verdicts and figures. Only this room draws.

It reads datasets, as `icl.records.load` gives them, and knows no problem.

    conditions       the strategy, metric and label of each condition
    views, names     the knobs of a sweep, and what their values are called
    derived          numbers of learning curves, such as the peak and the decay
    statistics       intervals, effect sizes and correlations over seeds
    initial_weights  statistics of initial weights
    claims           verdicts on a paper's claims: pass, fail, undecided
    overview         several grids in one panel each
    printing         tables for terminals of any width, which nobody need read
    figures          everything that is drawn with Matplotlib
    report           the page of a sweep
"""
