"""What the platform costs: prices, AWS's rounding, recorded calls, synthesized templates. No capability imports it."""
