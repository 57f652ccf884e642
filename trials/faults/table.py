"""All faults, in the order of their numbers."""

from trials.faults import crashes, disks, networks, power, surroundings, switchovers

FAULTS = sorted((fault for group in (crashes, networks, disks, power, switchovers, surroundings)
                 for fault in group.TABLE), key=lambda fault: fault.number)
