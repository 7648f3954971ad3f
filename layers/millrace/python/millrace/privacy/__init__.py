"""Personal data: what is protected, and what is found where nobody marked it."""
