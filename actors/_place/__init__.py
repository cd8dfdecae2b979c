"""Actors in processes of their own, seen from the program that started them. Imported with the first of them."""
