"""The floor every capability stands on: settings, AWS clients, errors, time, logging, HTTP, the consumer base."""
