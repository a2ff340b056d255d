"""The proof: real units at load on real MongoDBs, each fault of the table, each scan accounted for.

``make faults``; what the variables choose is in ``options``. The parts:

* ``mongods``, ``cluster``, ``proxy``, ``power_disk``: what is ill-treated.
* ``points``, ``bugs``, ``unit``: fail points and planted bugs, which exist in these processes only.
* ``schedule``: which faults, in which order, drawn from the seed alone.
* ``kills``, ``stops``, ``store``, ``primary``, ``wire``, ``clients``, ``poison``, ``machine``,
  ``power``: the faults, a file a family; ``nemesis`` runs them one after another.
* ``recorders``: what the units of a world write down; ``truth``: what each scan really holds.
* ``evidence``, ``deliveries``, ``checker``: what is known of each scan, and what must never be.
* ``report``: the table, the verdict, the file.
"""
