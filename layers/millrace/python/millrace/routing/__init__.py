"""Out to the bus: the events whose contract asks for it. A subscriber needs nothing of the platform but a rule."""
