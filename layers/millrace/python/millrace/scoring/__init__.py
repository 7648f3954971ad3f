"""The champion's score of a transaction: found by its alias, proven on its golden rows, and served within budgets."""
