"""What Python users call: functions that train and load, and objects that hold what came of it.

train, run           `icl.train`, `icl.load` and `Run`
sweep                `icl.sweep` and `Sweep`
description          `icl.describe` and `Description`
configs              settings from names, files, dictionaries and objects
folders, progress    where files are, and what is shown meanwhile
"""
