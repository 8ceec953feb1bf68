"""What can be worked out on paper about learning, and the simulations that check it."""
