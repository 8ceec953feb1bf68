"""Interventions change what happens inside a network. Here is their contract: edits and context."""

from icl.interventions.context import Context, Edit, bind_edits, make_context

__all__ = ["Context", "Edit", "bind_edits", "make_context"]
