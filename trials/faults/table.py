"""All faults, in the order of their numbers."""

from trials.faults import (
    couples, crashes, disks, knowledge, networks, power, surroundings, switchovers)

FAULTS = sorted((fault for group in (crashes, networks, disks, power, switchovers, surroundings,
                                     knowledge, couples)
                 for fault in group.TABLE), key=lambda fault: fault.number)
