"""Theory: results on learning in closed form, and simulations that check them.

two_layer   the tangent kernel of two-layer linear networks, and how far learning turns it
flow        exact gradient flow of such networks
comparison  the two beside each other, by rank and by anisotropy
"""
