"""How Python's garbage collector is told to leave a long-lived process alone."""

import gc


def collect_rarely() -> None:
    """Forget what start-up made, which stays, and look seldom at the rest.

    A panel of 1,000 values, or a chunk of a batch, is up to millions of objects that all stay until
    they are answered or stored: to walk them again and again was a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
