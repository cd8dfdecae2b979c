"""The search over many simulations: drawing, running and shrinking them."""
