"""Planted faults: each breaks one promise of the platform in one line, and the tests named with it must find it.

`make mutants` plants one after the other in a copy of the checkout and runs those tests. What no test finds is a promise that
nobody watches.
"""
