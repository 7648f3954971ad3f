"""What is unlike the same hours of past weeks: spikes, drops, silences, changes of share, drifts. Each episode is one alert."""
