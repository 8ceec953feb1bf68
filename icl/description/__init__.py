"""Description of a config before training: statistics, ceilings, costs and pictures.

any_config, any_problem       `describe_any`: by problem, or what all problems share
sequences, sequence_report    a distribution of sequences, and its network
trials, trial_tables          a task and its network
samples, statistics           sequences drawn by the thousand, and what they show
closed_forms,                 the same by formula
label_distributions
ceilings, exact_ceilings,     scores of ideal learners, measured and by formula
combining, votes
matching                      networks of equal size or cost
"""
