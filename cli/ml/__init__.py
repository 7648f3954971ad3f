"""Trainings and champions, as the commands start, read and change them."""
