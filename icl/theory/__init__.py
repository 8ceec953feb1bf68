"""Theory: results on learning in closed form, and simulations that check them."""
