"""The mm* commands of IBM Storage Scale (GPFS), and nothing but them.

``requests`` says what may be asked for, ``programs`` runs it (as root, see
privileged.run_gpfs), ``output`` reads what comes back, ``commands`` is what
drivers use.
"""
