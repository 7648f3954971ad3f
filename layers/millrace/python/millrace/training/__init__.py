"""Training of models: from a tenant's tables to a training set, and from its rows to a model that was judged."""
