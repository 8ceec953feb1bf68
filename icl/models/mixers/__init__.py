"""Mixers, which distinguish the kinds of networks: each is a module named after its kind."""
