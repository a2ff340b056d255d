"""How many threads numpy's libraries start, which they read from the environment."""

import os

_NAMES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread_each() -> None:
    """Let numpy's libraries start one thread in each process that this one starts from now on.

    Processes that share the cores would otherwise start a thread for each core, and wait for each
    other. A variable that is set already stays as it is.
    """
    for name in _NAMES:
        os.environ.setdefault(name, "1")
