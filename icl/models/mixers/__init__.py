"""Mixers: what tells one kind of network from another, each a module of its kind's name."""
